"""The blocks and operators of a network, under the papers' names.

A block is called ``conv4_6`` and the operator in it ``SE_4_6`` or ``GE_4_6``: stage and block as in the SE paper's
Figure 6, where the stem is stage 1, so that ``stages[0]`` of a config is stage 2, and blocks count from 1.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from se_backbones.models.backbones.base import Backbone
from se_backbones.models.operators import ContextOperator
from se_backbones.models.units import ContextUnit
from se_backbones.utils.validation import did_you_mean, first_few

FIRST_STAGE = 2  # the papers' number of the first stage after the stem
PREFIXES = {'SqueezeExcite': 'SE', 'GatherExcite': 'GE'}
Named = TypeVar('Named')


@dataclass(frozen=True)
class Block:
    """A unit of a stage.

    Attributes:
        name: Such as ``conv4_6``.
        path: Of the module within the network.
        module: The unit.
        stage: In the papers' count: 4.
        owner: Path of the module that owns the stages and has the config key ``context``.
        place: Indices of stage and block in that module's ``context.stages``.
        per_image: Whether it sees one map for each image; a detector's shared head sees one for each region.
    """

    name: str
    path: str
    module: nn.Module
    stage: int
    owner: str
    place: tuple[int, int]
    per_image: bool


@dataclass(frozen=True)
class Site:
    """An operator in its place.

    Attributes:
        name: Such as ``SE_4_6``; where a block has several, with their slot, as in ``SE_4_6_3x3``.
        path: Of the operator within the network.
        operator: The module.
        block: The block that it sits in; None in a network without stages.
        per_image: See :class:`Block`.
    """

    name: str
    path: str
    operator: ContextOperator
    block: Block | None
    per_image: bool


def blocks(model: nn.Module) -> dict[str, Block]:
    """Return ``{name: block}`` of all stages that run, in the order in which they do.

    Backbones of this package, stock OpenMMLab ResNets and the C4 shared head have stages; other modules have none.
    """
    paths = {module: path for path, module in model.named_modules()}
    found = []
    for owner, path in paths.items():
        for index, (stage, modules) in enumerate(_stages(owner)):
            units = [unit for module in modules for unit in _units(module)]
            if not isinstance(owner, Backbone):
                units = units or [child for module in modules for child in module.children()]
            found += [(path, stage, (index, block), unit) for block, unit in enumerate(units)]
    names = Counter(f'conv{stage}_{place[1] + 1}' for _, stage, place, _ in found)
    result = {}
    for owner, stage, place, unit in found:
        name = f'conv{stage}_{place[1] + 1}'
        if names[name] > 1:  # a network with two backbones
            name = f'{owner}:{name}'
        path = paths[unit]
        result[name] = Block(name, path, unit, stage, owner, place, 'roi_head' not in path.split('.'))
    return result


def _stages(owner: nn.Module) -> Iterator[tuple[int, list[nn.Module]]]:
    """Yield the stages that ``owner`` itself owns, with the modules of each."""
    if isinstance(owner, Backbone):
        for stage in range(max(owner.out_indices) + 1):
            yield stage + FIRST_STAGE, owner.stage_modules(stage)
        return
    # Stock ResNets list their stages; mmdet's and our shared head have one, `layer<n>`, and no list.
    names = getattr(owner, 'res_layers', None) or (
        [name for name, _ in owner.named_children()] if _is_shared_stage(owner) else [])
    for name in names:
        if isinstance(name, str) and name.startswith('layer') and name[5:].isdigit():
            yield int(name[5:]) - 1 + FIRST_STAGE, [getattr(owner, name)]


def _is_shared_stage(owner: nn.Module) -> bool:
    return type(owner).__name__ == 'ResLayer' and not isinstance(owner, nn.Sequential)


def _units(module: nn.Module) -> list[nn.Module]:
    """Return the outermost units with slots; a unit's branches can be such units themselves."""
    if isinstance(module, ContextUnit):
        return [module]
    return [unit for child in module.children() for unit in _units(child)]


def operators(model: nn.Module) -> dict[str, Site]:
    """Return ``{name: site}`` of all operators that run, in the network's order.

    Raises:
        ValueError: The network has none.
    """
    by_path = {block.path: block for block in blocks(model).values()}
    ours = [path for path, module in model.named_modules() if isinstance(module, Backbone)]
    found: list[tuple[str, str, ContextOperator, Block | None]] = []
    for path, module in model.named_modules():
        if isinstance(module, ContextOperator):
            parts = path.split('.')
            outer = [by_path[start] for end in range(len(parts)) if (start := '.'.join(parts[:end])) in by_path]
            block = outer[0] if outer else None
            if block is None and any(path.startswith(f'{owner}.' if owner else '') for owner in ours):
                continue  # in a stage after the last output, which never runs
            prefix = PREFIXES.get(type(module).__name__, type(module).__name__)
            name = block.name.replace('conv', f'{prefix}_') if block else path or prefix
            found.append((name, path, module, block))
    if not found:
        raise ValueError(f'{type(model).__name__} has no context operators, so it has no gates to analyse; give its '
                         "backbone context=dict(op=dict(type='SqueezeExcite' or 'GatherExcite', ...)).")
    several = Counter(name for name, *_ in found)
    result = {}
    for name, path, module, block in found:
        if several[name] > 1 and block is not None:
            name = f'{name}_{_slot(path[len(block.path):])}'
        result[name] = Site(name, path, module, block, 'roi_head' not in path.split('.'))
    return result


def _slot(path: str) -> str:
    """Return what tells an operator from the others of its block: ``.branch1.context.3x3`` is ``branch1.3x3``."""
    return '.'.join(part for part in path.split('.') if part and part != 'context')


def choose(known: Mapping[str, Named], wanted: Iterable[str] | None, what: str) -> dict[str, Named]:
    """Return the entries of ``known`` that ``wanted`` names, in the network's order; None: all of them.

    A name without its block (``SE_5``, ``conv5``) stands for the whole stage.

    Args:
        known: What there is.
        wanted: Names.
        what: Such as ``'operator'``, for the message.

    Raises:
        ValueError: A name is unknown, or none is given.
    """
    if wanted is None:
        return dict(known)
    chosen: set[str] = set()
    for name in wanted:
        found = [key for key in known if key == name or key.startswith(f'{name}_')]
        if not found:
            raise ValueError(f'There is no {what} {name!r} in this network, which has {first_few(known, 30)}.'
                             f'{did_you_mean(name, known)}')
        chosen.update(found)
    if not chosen:
        raise ValueError(f'No {what} was named; there are {first_few(known, 30)}.')
    return {name: known[name] for name in known if name in chosen}


def last_of_each_stage(sites: Mapping[str, Site]) -> Sequence[str]:
    """Return the names of the last operators of the stages, one for each."""
    last = {site.block.stage if site.block else name: name for name, site in sites.items()}
    return list(last.values())

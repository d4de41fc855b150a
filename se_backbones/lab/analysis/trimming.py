"""Stage trimming: take operators out of a trained network (SE paper, sections 4 and 7.2: late ones cost little).

The SE paper trains the network without them. Here they leave a trained one, so that what their gates did on average can
be kept: with ``fold`` the layer that feeds an operator is scaled by the mean gate of each channel, which is exact for a
gate that does not depend on the image.
"""

import copy
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from se_backbones.engine.sites import Site, blocks, choose, operators
from se_backbones.lab.analysis.complexity import build
from se_backbones.lab.analysis.excitations import ALL, excitations
from se_backbones.lab.analysis.subject import Progress, Subject, silent
from se_backbones.lab.inference.loading import build_model
from se_backbones.models.backbones.with_context import WithContext
from se_backbones.models.placement import context_entries
from se_backbones.utils.validation import first_few


@dataclass
class Trimmed:
    """A network without some of its operators.

    Attributes:
        cfg: Its config.
        state: Its tensors by key.
        removed: Names of the operators that are gone.
        parameters: Trainable parameters before and after.
    """

    cfg: Config
    state: dict[str, Tensor]
    removed: list[str]
    parameters: tuple[int, int]

    def checkpoint(self, meta: Mapping[str, Any] | None = None) -> dict:
        """Return what to save: tensors, and the old checkpoint's ``meta`` with the new config in it."""
        return dict(meta={**(meta or {}), 'cfg': self.cfg.pretty_text}, state_dict=self.state)


def mean_gates(subject: Subject, sites: Mapping[str, Site], progress: Progress = silent) -> dict[str, np.ndarray]:
    """Return the mean gate of each channel over all images, ``{operator: (C,)}``."""
    found = excitations(subject, classes=(), names=sites, num_channels=None, progress=progress).operators
    return {name: np.array(found[name].mean[ALL]) for name in sites}


def trim(subject: Subject, names: Iterable[str], fold: bool = True, progress: Progress = silent) -> Trimmed:
    """Return the network without the named operators; ``subject`` stays as it is.

    Args:
        subject: The trained network, its config, and (with ``fold``) images.
        names: Operators (``SE_5_2``) or stages (``SE_5``).
        fold: Scale the layer before each operator by the operator's mean gate over the images. False: the gate becomes
            1, which changes the branch by as much as the gates were below it.
        progress: Shows the progress, as ``rich.progress.track`` does.

    Raises:
        ValueError: The network has no operators or not the named ones, one of them is not placed by a ``context``, or
            its mean gate cannot be folded.
    """
    sites = choose(operators(subject.model), names, 'operator')
    cfg = _without(subject.cfg, subject.model, sites)
    state = {key: value.detach().cpu().clone() for key, value in subject.model.state_dict().items()}
    if fold:
        layers = {name: _layers_before(subject.model, site) for name, site in sites.items()}
        gates = mean_gates(subject, sites, progress)
        paths = {module: path for path, module in subject.model.named_modules()}
        for name, found in layers.items():
            _fold(state, name, torch.from_numpy(gates[name]), [paths[layer] for layer in found])
    for site in sites.values():
        state = {key: value for key, value in state.items() if not key.startswith(f'{site.path}.')}
    left = set(build(cfg).state_dict())
    if left != set(state):
        raise ValueError(f'Without {first_few(sites)} the config does not match the checkpoint ('
                         f'{first_few(sorted(left ^ set(state)), 3)}): name all operators of a slot together.')
    parameters = dict(subject.model.named_parameters())
    count = [sum(parameters[key].numel() for key in keys if key in parameters) for keys in (parameters, state)]
    return Trimmed(cfg, state, list(sites), tuple(count))


def _without(cfg: Config, model: nn.Module, sites: Mapping[str, Site]) -> Config:
    """Return the config whose contexts leave the sites out."""
    cfg = copy.deepcopy(cfg)
    counts: dict[str, dict[int, int]] = {}
    for block in blocks(model).values():
        stages = counts.setdefault(block.owner, {})
        stages[block.place[0]] = stages.get(block.place[0], 0) + 1
    wrappers = {path: module for path, module in model.named_modules() if isinstance(module, WithContext)}
    gone = {site.operator for site in sites.values()}
    for path, wrapper in wrappers.items():
        if not gone.isdisjoint(wrapper.context.values()):
            _leave_out(_config_of(cfg.model, path), wrapper, gone)
    for name, site in sites.items():
        if any(site.operator in wrapper.context.values() for wrapper in wrappers.values()):
            continue
        config = _config_of(cfg.model, site.block.owner) if site.block else None
        if config is None or not config.get('context') or '.context.' not in site.path:
            raise ValueError(f'{name} ({site.path}) is not placed by a context of the config, so it cannot be taken '
                             'out of it; remove it from plugins instead.')
        # ShuffleNet's units of stride 2 keep the standard operator of their whole output under `output`.
        placement = site.path.rpartition('.')[2].replace('output', 'standard')
        left = []
        for entry in map(copy.deepcopy, context_entries(config['context']).values()):
            if entry.get('placement', 'standard') == placement:
                entry['stages'] = _flags(entry.get('stages'), counts[site.block.owner], site.block.place)
            if entry.get('stages') is None or any(np.any(flags) for flags in entry['stages']):
                left.append(entry)
        config['context'] = left[0] if len(left) == 1 else left or None
    return cfg


def _leave_out(config: dict, wrapper: WithContext, gone: Set[nn.Module]) -> None:
    """Leave operators out of a wrapper's config; without any it becomes that of its backbone."""
    left = []
    for number, entry in enumerate(context_entries(config['context']).values()):
        after = [name for slot, (index, name) in wrapper.places.items()
                 if index == number and wrapper.context[slot] not in gone]
        if after:
            left.append({**entry, 'after': after})
    if left:
        config['context'] = left[0] if len(left) == 1 else left
    else:
        plain = config['backbone']
        config.clear()
        config.update(plain)


def _config_of(cfg: Any, path: str) -> Any:
    for part in path.split('.') if path else ():
        cfg = cfg.get(part) if isinstance(cfg, dict) else None
    return cfg


def _flags(stages: Any, counts: Mapping[int, int], place: tuple[int, int]) -> tuple:
    """Return ``context.stages`` with one block less; a bool where all blocks of a stage agree."""
    stages = [True] * (max(counts) + 1) if stages is None else list(stages)
    stage, block = place
    flags = [stages[stage]] * counts[stage] if isinstance(stages[stage], bool) else list(stages[stage])
    flags[block] = False
    stages[stage] = flags[0] if len(set(flags)) == 1 else tuple(flags)
    return tuple(stages)


def _layers_before(model: nn.Module, site: Site) -> list[nn.Module]:
    """Return the layers whose output channels the operator gates.

    Raises:
        ValueError: There are none.
    """
    unit_path, _, placement = site.path.rpartition('.context.')
    unit = model.get_submodule(unit_path)
    if isinstance(unit, WithContext):
        found = 'it stands in a backbone that is not ours'
    else:
        found = unit.layers_to_rescale(placement.replace('output', 'standard'))
    layers = found if isinstance(found, list) else [found]
    reason = found if isinstance(found, str) else None
    if reason is None:
        # A compensating layer can also be one that reads what the operator wrote (slot `pre`, or the next unit's).
        inside = placement != 'pre' and all(layer in set(unit.modules()) for layer in layers)
        channels = [len(layer.weight) for layer in layers if getattr(layer, 'weight', None) is not None]
        per_channel = len(channels) == len(layers) and site.operator.in_channels in (sum(channels), *channels)
        reason = None if inside and per_channel else 'no layer with a weight per channel feeds it'
    if reason:
        raise ValueError(f'The mean gate of {site.name} cannot be folded into a layer, because {reason}; use '
                         'fold=False, with which its gate becomes 1.')
    return layers


def _fold(state: dict[str, Tensor], name: str, gate: Tensor, layers: list[str]) -> None:
    """Scale the output channels of the layers, in place, by ``gate`` ``(C,)``."""
    if (gate < 0).any():
        raise ValueError(f'The mean gate of {name} is negative in {int((gate < 0).sum())} channels and does not '
                         'commute with a ReLU; use fold=False, with which its gate becomes 1.')
    sizes = [len(state[f'{layer}.weight']) for layer in layers]
    # Layers side by side whose outputs are concatenated take a part each; layers whose outputs are mixed take all.
    parts = gate.split(sizes) if sum(sizes) == len(gate) else [gate] * len(layers)
    for layer, part in zip(layers, parts, strict=True):
        for key in (f'{layer}.weight', f'{layer}.bias'):
            if key in state:
                tensor = state[key]
                state[key] = tensor * part.to(tensor.dtype).reshape(-1, *[1] * (tensor.dim() - 1))


def evaluate_trimmed(subject: Subject, trimmed: Trimmed, progress: Progress = silent) -> dict[str, float]:
    """Return what the config's evaluator measures of the trimmed network on the subject's images."""
    model = build_model(trimmed.cfg)
    model.load_state_dict(trimmed.state)
    device = next(subject.model.parameters()).device
    return Subject(model.to(device).eval(), subject.batches, subject.classes, trimmed.cfg).evaluate(progress)

"""Missing, unexpected and mismatched keys of a checkpoint, and the likely cause."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from se_backbones.models.loading.insertion import Placed, missing_operators, placed_operators, sides
from se_backbones.models.units import ContextUnit
from se_backbones.utils.validation import first_few

if TYPE_CHECKING:
    from se_backbones.models.loading.module import PretrainedModule

_NORM = re.compile(r'(^|\.)(bn|gn|ln|in)\d*\.\w+$')
# Keys of operators, and of mmpretrain's deep stem, as other libraries name them.
_OTHER_LIBRARIES = re.compile(r'\.(se_module|se_layer|se)\.|^stem\.\d\.(conv|bn)\.')


@dataclass
class Coverage:
    """How the tensors of one backbone or shared head and those of a checkpoint fit together.

    Attributes:
        expected: Keys that the checkpoint must hold.
        missing: Those that it does not hold.
        mismatched: Those that it holds in another shape: ``{key: (its shape, our shape)}``.
        broken: Those whose values cannot be a trained network's: ``{key: what they are}``.
        unexpected: Keys of the checkpoint that belong to layers of this part which it does not have.
        new: Operators that the checkpoint does not hold and need not: they can be inserted.
        first_conv: Key of the first convolution.
        tops: Where the keys of the checkpoint begin, for messages.
    """

    expected: list[str]
    missing: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    new: list[Placed] = field(default_factory=list)
    first_conv: str = ''
    tops: str = ''

    @property
    def complete(self) -> bool:
        """Whether all expected tensors are there and sound, and none of a layer that the part does not have."""
        return not (self.missing or self.mismatched or self.broken or self.unexpected)

    @property
    def loaded(self) -> int:
        """Number of expected tensors that the checkpoint holds."""
        return len(self.expected) - len(self.missing) - len(self.mismatched)

    def problem(self) -> str:
        """Return what does not fit and the likely cause, in one or two sentences."""
        if not (self.loaded or self.mismatched or self.broken):
            return (f'none of its {len(self.expected)} tensors is there; the keys start with {self.tops or "nothing"}. '
                    'A checkpoint of a whole model needs prefix="backbone."; '
                    'se-backbones convert renames the keys of other libraries.')
        facts = []
        if self.missing:
            facts.append(f'{len(self.missing)} of its {len(self.expected)} tensors are missing '
                         f'({first_few(self.missing)})')
        if self.mismatched:
            key, (theirs, ours) = next(iter(self.mismatched.items()))
            facts.append(f'{len(self.mismatched)} have another shape ({key} is {sides(theirs)} there and {sides(ours)} '
                         'here)')
        if self.broken:
            key, what = next(iter(self.broken.items()))
            facts.append(f'{len(self.broken)} cannot be trained weights ({key} {what})')
        if self.unexpected:
            facts.append(f'{len(self.unexpected)} belong to layers that it does not have '
                         f'({first_few(self.unexpected)})')
        return f'{"; ".join(facts)}. Likely cause: {self._cause()}.'

    def _cause(self) -> str:
        missing, unexpected = self.missing, self.unexpected
        blocks = _block_counts(missing, unexpected, self.expected)
        if any(_OTHER_LIBRARIES.search(key) for key in unexpected):
            return ('the keys are those of another library; se-backbones convert renames them, '
                    'and se-backbones:// names load converted')
        if _starts(missing, 'stem.') and _starts(unexpected, 'conv1.', 'bn1.'):
            return 'the checkpoint has a plain stem and this network deep_stem=True'
        if _starts(unexpected, 'stem.'):
            return 'the checkpoint has a deep stem and this network deep_stem=False'
        if blocks:
            return f'another depth: {blocks}'
        if any(_NORM.search(key) for key in unexpected):
            return 'other norms: norm_cfg differs'
        if self._unknown_tops():
            return (f'the checkpoint has nothing of {", ".join(self._unknown_tops())}: it is of another architecture, '
                    'num_stages differs, or it holds a part of the network')
        if any('.downsample.' in key for key in missing) and any('.downsample.' in key for key in unexpected):
            return 'another shortcut: avg_down differs'
        if unexpected and all('.context.' in key for key in unexpected):
            return 'the checkpoint was saved with operators that this network does not have: see its context'
        if set(self.mismatched) == {self.first_conv} and not missing:
            (_, theirs, *_), (_, ours, *_) = self.mismatched[self.first_conv]
            return (f'in_channels={ours} here and {theirs} there; init_cfg=dict(type="se_backbones.Pretrained", ..., '
                    'adapt_input=True) adapts the first convolution')
        if self.mismatched:
            return 'another architecture or width: type, depth, groups, base_width or base_channels differ'
        if self.broken and not (missing or unexpected):
            return 'a training that diverged, a quantised or an empty file'
        return 'another architecture, or norm_cfg, style or plugins that differ from those it was saved with'

    def _unknown_tops(self) -> list[str]:
        """Return the top-level layers of which nothing is there, if there is something of others."""
        missing = set(self.missing)
        tops = {}
        for key in self.expected:
            top = key.split('.')[0]
            tops[top] = tops.get(top, True) and key in missing
        return [top for top, gone in tops.items() if gone] if not all(tops.values()) else []


def coverage(part: 'PretrainedModule', state: Mapping[str, Tensor]) -> Coverage:
    """Return how a checkpoint covers one of our backbones or shared heads.

    What a config declares new may be missing: operators, which are then inserted, the offsets of deformable
    convolutions, plugin layers; and ``num_batches_tracked``, which came late to torch. Other tops than those of a part
    (``fc``, unused stages, heads) may be left over.

    Args:
        part: What is loaded.
        state: The checkpoint's tensors by the part's keys.

    Raises:
        MisfitError: See :func:`~se_backbones.models.loading.insertion.missing_operators`.
    """
    modules = part.own_modules()
    own = {key: value for key, value in part.state_dict().items() if _owner(key) in modules}
    # A key such as conv1.bias, where we have conv1 without a bias, is left over like fc: msra's caffe files have it, as
    # zeros (below). Of an operator, though, no part may be left over. A backbone does not expect the other kind of
    # stem; a shared head has none and leaves it.
    tops = {child for child, _ in part.named_children()}
    tops |= {'conv1', 'bn1', 'stem'} if hasattr(part, 'stem_modules') else set()
    unexpected = [key for key in state if key.split('.')[0] in tops and key not in own
               and (_owner(key) not in modules or '.context.' in key
                    or not key.endswith(('.bias', '.num_batches_tracked')))]
    # A block that holds what ours does not is not a plain block: nothing is inserted into it.
    new = [placed for placed in missing_operators(list(placed_operators(modules)), state)
           if not any(key.startswith(f'{placed.unit_name}.') for key in unexpected)]
    may_be_absent = (*(f'{placed.name}.' for placed in new), *_added_layers(modules))
    expected = [key for key in own if not (key.endswith('num_batches_tracked') or '.conv_offset.' in key
                                         or key.startswith(may_be_absent))]
    result = Coverage(expected, unexpected=unexpected, new=new,
                      first_conv=next((f'{name}.weight' for name, module in modules.items()
                                       if isinstance(module, nn.Conv2d)), ''),
                      tops=', '.join(sorted({f'{key.split(".")[0]}.' for key in state})[:8]))
    for key, value in state.items():
        if key.endswith('.bias') and key not in own and _owner(key) in modules and not value.is_meta and value.any():
            result.broken[key] = ("is of a layer without a bias, and not of a convN or downsample.0 whose batch norm's "
                                  'mean could take it')
    for key in expected:
        if key not in state:
            result.missing.append(key)
        elif state[key].shape != own[key].shape:
            result.mismatched[key] = (tuple(state[key].shape), tuple(own[key].shape))
        elif broken := _broken(key, state[key], own[key]):
            result.broken[key] = broken
    return result


def misfits(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """Return the ``missing``, ``unexpected`` and ``mismatched`` keys of a state against a network's own."""
    return {'missing': tuple(key for key in own if key not in state and not key.endswith('num_batches_tracked')),
            'unexpected': tuple(key for key in state if key not in own),
            'mismatched': tuple(key for key in own if key in state and state[key].shape != own[key].shape)}


def unmatched(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Return the keys for which a checkpoint has no value, or one of another shape.

    ``num_batches_tracked`` may be missing: it came late to torch.
    """
    return [key for key, tensor in own.items() if not key.endswith('num_batches_tracked')
            and (key not in state or state[key].shape != tensor.shape)]


def _owner(key: str) -> str:
    return key.rpartition('.')[0]


def _broken(key: str, theirs: Tensor, ours: Tensor) -> str:
    """Return in words why values cannot be those of a trained network; empty: they can."""
    if theirs.is_meta or not ours.is_floating_point():
        return ''
    if not theirs.is_floating_point() or theirs.itemsize < 2:  # float8's scales are elsewhere
        return f'holds numbers of {theirs.dtype}'
    # A sum says of nearly all tensors that they are sound, in a tenth of the time.
    total = theirs.sum(dtype=torch.promote_types(theirs.dtype, torch.float32))
    if not total.isfinite() and not theirs.isfinite().all():
        return 'holds NaN or infinity'
    if key.endswith('running_var') and theirs.min() < 0:
        return 'is a variance below 0'
    # An operator that was just inserted starts at zero, and so does what zero_init_residual zeroes.
    if total == 0 and theirs.ndim > 1 and '.context.' not in key and not theirs.any() and (ours.is_meta or ours.any()):
        return 'is zero everywhere'
    return ''


def _added_layers(modules: Mapping[str, nn.Module]) -> Iterator[str]:
    """Yield the beginnings of the keys of plugin layers."""
    for name, unit in modules.items():
        if isinstance(unit, ContextUnit):
            yield from (f'{name}.{layer}.' for layer in unit.plugin_names())


def _block_counts(missing: Iterable[str], unexpected: Iterable[str], expected: Iterable[str]) -> str:
    """Return in which stages the numbers of blocks differ, in words; empty: in none."""
    ours, fewer, more = (_blocks(keys, max) for keys in (expected, missing, unexpected))
    first, texts = _blocks(missing, min), []
    for stage, last in ours.items():
        if more.get(stage, -1) > last:
            texts.append(f'{stage} has {more[stage] + 1} blocks in the checkpoint and {last + 1} here')
        elif fewer.get(stage) == last and first[stage] > 0:
            texts.append(f'{stage} has {first[stage]} blocks in the checkpoint and {last + 1} here')
    return ', '.join(texts)


def _blocks(keys: Iterable[str], choose: Callable[[int, int], int]) -> dict[str, int]:
    """Return the first (``min``) or the last (``max``) block of each stage that the keys name."""
    blocks: dict[str, int] = {}
    for key in keys:
        if match := re.match(r'(\w+)\.(\d{1,6})\.', key):
            block = int(match[2])
            blocks[match[1]] = choose(block, blocks.get(match[1], block))
    return blocks


def _starts(keys: Iterable[str], *beginnings: str) -> bool:
    return any(key.startswith(beginnings) for key in keys)

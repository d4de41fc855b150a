"""Nothing is silently random: what of a network a checkpoint must hold, and the likely cause where it does not."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from se_backbones.models.backbones.base import Backbone, LoadsLast
from se_backbones.models.units import ContextUnit
from se_backbones.utils.validation import first_few

_NORM = re.compile(r'(^|\.)(bn|gn|ln|in)\d*\.\w+$')
# Keys of operators as other libraries name them.
_OTHER_LIBRARIES = re.compile(r'\.(se_module|se_layer|se)\.')


@dataclass
class Coverage:
    """How the tensors of one backbone or shared head and those of a checkpoint fit together.

    Attributes:
        name: Of the part within the module that is loaded; empty: the module itself.
        kind: Its class.
        wanted: Keys that the checkpoint must hold, without the part's name.
        absent: Those that it does not hold.
        reshaped: Those that it holds in another shape: ``{key: (its shape, our shape)}``.
        foreign: Keys of the checkpoint that belong to layers of this part which it does not have.
    """

    name: str
    kind: str
    wanted: list[str]
    absent: list[str] = field(default_factory=list)
    reshaped: dict[str, tuple] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all wanted tensors are there, and none of a layer that the part does not have."""
        return not (self.absent or self.reshaped or self.foreign)

    @property
    def loaded(self) -> int:
        """Number of wanted tensors that the checkpoint holds."""
        return len(self.wanted) - len(self.absent) - len(self.reshaped)

    def problem(self) -> str:
        """Return what does not fit and the likely cause, in one or two sentences."""
        facts = []
        if self.absent:
            facts.append(f'{len(self.absent)} of its {len(self.wanted)} tensors are missing ({first_few(self.absent)})')
        if self.reshaped:
            key, (theirs, ours) = next(iter(self.reshaped.items()))
            facts.append(f'{len(self.reshaped)} have another shape ({key} is {_size(theirs)} there and {_size(ours)} '
                         'here)')
        if self.foreign:
            facts.append(f'{len(self.foreign)} belong to layers that it does not have ({first_few(self.foreign)})')
        return f'{"; ".join(facts)}. Likely cause: {self._cause()}.'

    def _cause(self) -> str:
        absent, foreign = self.absent, self.foreign
        blocks = _block_counts(absent, foreign, self.wanted)
        if any(_OTHER_LIBRARIES.search(key) for key in foreign):
            return ('the keys are those of another library; tools/model_converters/convert_checkpoint.py renames them, '
                    'and se-backbones:// names load converted')
        if _starts(absent, 'stem.') and _starts(foreign, 'conv1.', 'bn1.'):
            return 'the checkpoint has a plain stem and this network deep_stem=True'
        if _starts(foreign, 'stem.'):
            return 'the checkpoint has a deep stem and this network deep_stem=False'
        if blocks:
            return f'another depth: {blocks}'
        if any(_NORM.search(key) for key in foreign):
            return 'other norms: norm_cfg differs'
        if self._unknown_tops():
            return (f'the checkpoint has nothing of {", ".join(self._unknown_tops())}: it is of another architecture, '
                    'num_stages differs, or it holds a part of the network')
        if any('.downsample.' in key for key in absent) and any('.downsample.' in key for key in foreign):
            return 'another shortcut: avg_down differs'
        if foreign and all('.context.' in key for key in foreign):
            return 'the checkpoint was saved with operators that this network does not have: see its context'
        if self.reshaped:
            return 'another architecture or width: type, depth, groups, base_width or base_channels differ'
        if absent and self.loaded == 0:
            return 'another architecture, or a prefix: a checkpoint of a whole model needs prefix="backbone."'
        return 'another architecture, or norm_cfg, style or plugins that differ from those it was saved with'

    def _unknown_tops(self) -> list[str]:
        """Return the top-level layers of which nothing is there, if there is something of others."""
        absent = set(self.absent)
        tops = {}
        for key in self.wanted:
            top = key.split('.')[0]
            tops[top] = tops.get(top, True) and key in absent
        return [top for top, gone in tops.items() if gone] if not all(tops.values()) else []


def coverage(module: nn.Module, state: Mapping[str, Tensor], new: Collection[str]) -> Iterator[Coverage]:
    """Yield how a checkpoint covers each of our backbones and shared heads in ``module``.

    What a config declares new may be missing: operators that are inserted, the offsets of deformable convolutions,
    plugin layers; and ``num_batches_tracked``, which came late to torch. Other tops than those of a part (``fc``,
    unused stages, heads) may be left over.

    Args:
        module: What is loaded.
        state: The checkpoint's tensors by our keys.
        new: Names of the operators that the checkpoint does not hold and need not.
    """
    for name, part in module.named_modules():
        # Of nested ones the outer covers the inner.
        if isinstance(part, LoadsLast):
            yield _of_part(name, part, state, new)


def _of_part(name: str, part: LoadsLast, state: Mapping[str, Tensor], new: Collection[str]) -> Coverage:
    prefix = f'{name}.' if name else ''
    theirs = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    own = part.state_dict()
    modules = {layer for layer, _ in part.named_modules()}
    tops = {child for child, _ in part.named_children()}
    declared_new = tuple(f'{layer.removeprefix(prefix)}.' for layer in new) + tuple(added_layers(part))
    wanted = [key for key in own if not (key.endswith('num_batches_tracked') or '.conv_offset.' in key
                                         or key.startswith(declared_new))]
    result = Coverage(name, type(part).__name__, wanted)
    for key in wanted:
        if key not in theirs:
            result.absent.append(key)
        elif theirs[key].shape != own[key].shape:
            result.reshaped[key] = (tuple(theirs[key].shape), tuple(own[key].shape))
    # A key such as conv1.bias, where we have conv1 without a bias, is left over like fc: msra's caffe files have it.
    # The other kind of stem is foreign to a backbone; a shared head has none and leaves it.
    tops |= {'conv1', 'bn1', 'stem'} if isinstance(part, Backbone) else set()
    result.foreign = [key for key in theirs if key.rpartition('.')[0] not in modules and key.split('.')[0] in tops]
    return result


def added_layers(part: nn.Module) -> Iterator[str]:
    """Yield the beginnings of the keys of plugin layers."""
    for name, unit in part.named_modules():
        if isinstance(unit, ContextUnit):
            yield from (f'{name}.{layer}.' for layer in unit.plugin_names())


def _block_counts(absent: Iterable[str], foreign: Iterable[str], wanted: Iterable[str]) -> str:
    """Return in which stages the numbers of blocks differ, in words; empty: in none."""
    ours, missing, more = (_last_blocks(keys) for keys in (wanted, absent, foreign))
    texts = []
    for stage, last in ours.items():
        if more.get(stage, -1) > last:
            texts.append(f'{stage} has {more[stage] + 1} blocks in the checkpoint and {last + 1} here')
        elif stage in missing and missing[stage] == last and _first_blocks(absent)[stage] > 0:
            texts.append(f'{stage} has {_first_blocks(absent)[stage]} blocks in the checkpoint and {last + 1} here')
    return ', '.join(texts)


def _indices(keys: Iterable[str]) -> Iterator[tuple[str, int]]:
    for key in keys:
        match = re.match(r'(\w+)\.(\d{1,6})\.', key)
        if match:
            yield match[1], int(match[2])


def _last_blocks(keys: Iterable[str]) -> dict[str, int]:
    last: dict[str, int] = {}
    for stage, block in _indices(keys):
        last[stage] = max(block, last.get(stage, -1))
    return last


def _first_blocks(keys: Iterable[str]) -> dict[str, int]:
    first: dict[str, int] = {}
    for stage, block in _indices(keys):
        first[stage] = min(block, first.get(stage, block))
    return first


def _starts(keys: Iterable[str], *beginnings: str) -> bool:
    return any(key.startswith(beginnings) for key in keys)


def _size(shape: tuple) -> str:
    return 'x'.join(map(str, shape)) or 'a scalar'

"""Where the operators sit: the slot in the unit, the stages, the blocks; and the checks of a config's ``context``.

The slots, read from the SE paper's section 6.5 and Figure 5, for a residual unit ``relu(branch(x) + shortcut(x))``:

============ ==========================================================================================================
``standard`` on the branch's output, before the sum
``pre``      on the branch's input; the shortcut still takes the unit's raw input
``post``     on the unit's output, after the sum and its ReLU
``identity`` on the shortcut, after its projection where it has one, in parallel to the branch
``3x3``      inside the branch, after the 3x3 convolution with its norm and ReLU (Table XV)
============ ==========================================================================================================

Stages are counted from the first, as in OpenMMLab: ``stages[0]`` is ``layer1``, the papers' conv2_x or stage 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from se_backbones.models.operators import ContextOperator, build_operator, validate_operator
from se_backbones.ops.residual_tail import CHOICES
from se_backbones.utils.validation import known_keys, one_of

PLACEMENTS = ('standard', 'pre', 'post', 'identity', '3x3')
INSERTIONS = ('preserve', 'fresh')


@dataclass(frozen=True)
class Slot:
    """What one entry of ``context`` puts into a slot of a block."""

    op: dict
    key: str
    freeze_with_stage: bool = False
    tail: str = 'auto'
    insertion: str = 'preserve'

    def build(self, in_channels: int, norm_cfg: dict, map_size: tuple[int, int]) -> ContextOperator:
        """Build the operator for ``in_channels`` maps of ``map_size``; see :func:`build_operator`."""
        if not self.freeze_with_stage:
            # The gate learns inside a frozen network, so its norms do too.
            norm_cfg = {**norm_cfg, 'requires_grad': True}
        operator = build_operator(self.op, in_channels, norm_cfg=norm_cfg, map_size=map_size, key=f'{self.key}.op')
        operator.freeze_with_stage = self.freeze_with_stage
        operator.insertion = self.insertion
        return operator


class ContextPlan:
    """Which operator sits in which slot of which block.

    Args:
        context: None, one dict ``(op, placement='standard', stages=None, freeze_with_stage=False, tail='auto',
            insertion='preserve')`` or a list of them. ``stages`` holds one entry per stage: a bool, or one bool per
            block of that stage; None means all. ``tail`` says how the end of a residual unit runs: see
            :mod:`se_backbones.ops.residual_tail`. ``insertion`` says what happens, whoever loads, to operators of
            which a checkpoint has no tensors: ``'preserve'``: the network computes what the plain one did;
            ``'fresh'``: the gates start at random values near 0.5 and change the function.
        blocks: Number of blocks of each stage; also an attribute.
        placements: The slots that the architecture has.

    Raises:
        ValueError: A wrong key or value, a setting without effect, or two entries that claim the same slot.
    """

    def __init__(self, context: dict | Sequence[dict] | None, blocks: Sequence[int],
                 placements: Sequence[str] = PLACEMENTS):
        self.blocks = tuple(blocks)
        self._slots: dict[tuple[int, int], dict[str, Slot]] = {}
        for key, entry in context_entries(context).items():
            self._add(entry, blocks, placements, key)

    def slots_of(self, stage: int, block: int) -> dict[str, Slot]:
        """Return ``{placement: slot}`` of one block, both indices from 0."""
        return self._slots.get((stage, block), {})

    def _add(self, entry: Any, blocks: Sequence[int], placements: Sequence[str], key: str) -> None:
        if not isinstance(entry, dict) or 'op' not in entry:
            raise ValueError(f"{key} must be a dict with op=dict(type='SqueezeExcite' or 'GatherExcite', ...), "
                             f'got {entry!r}.')
        known_keys(key, entry, ['op', 'placement', 'stages', 'freeze_with_stage', 'tail', 'insertion'])
        validate_operator(entry['op'], f'{key}.op')
        placement = one_of(f'{key}.placement', entry.get('placement', 'standard'), tuple(placements))
        freeze = one_of(f'{key}.freeze_with_stage', entry.get('freeze_with_stage', False), (True, False))
        tail = one_of(f'{key}.tail', entry.get('tail', 'auto'), CHOICES)
        if tail != 'auto' and placement != 'standard':
            raise ValueError(f"{key}.tail={tail!r} has no effect with placement={placement!r}: only an operator in the "
                             "'standard' slot can be fused; remove it.")
        insertion = one_of(f'{key}.insertion', entry.get('insertion', 'preserve'), INSERTIONS)
        slot = Slot(entry['op'], key, freeze, tail, insertion)
        chosen = _chosen_blocks(entry.get('stages'), blocks, f'{key}.stages')
        if not chosen:
            raise ValueError(f'{key}.stages={entry["stages"]!r} selects no block; use context=None for a plain '
                             'network.')
        for place in chosen:
            taken = self._slots.setdefault(place, {})
            if placement in taken:
                raise ValueError(f'{key} and {taken[placement].key} both claim the {placement!r} slot of block '
                                 f'{place[1]} of stage {place[0]} (counted from 0).')
            taken[placement] = slot


def context_entries(context: dict | Sequence[dict] | None) -> dict[str, Any]:
    """Return the entries of a config's ``context`` by their keys.

    Raises:
        ValueError: It is neither None nor a dict, nor a list that holds any.
    """
    if context is None:
        return {}
    if isinstance(context, dict):
        return {'context': context}
    if not isinstance(context, (list, tuple)) or not context:
        raise ValueError(f'context must be None, a dict or a list of dicts, got {context!r}.')
    return {f'context[{number}]': entry for number, entry in enumerate(context)}


def _chosen_blocks(stages: Any, blocks: Sequence[int], key: str) -> list[tuple[int, int]]:
    """Return the (stage, block) pairs that a ``stages`` value selects."""
    if stages is None:
        stages = [True] * len(blocks)
    if not isinstance(stages, (tuple, list)) or len(stages) != len(blocks):
        raise ValueError(f'{key} must have one entry for each of the {len(blocks)} stages of this module, got '
                         f'{stages!r}.')
    chosen = []
    for stage, (entry, count) in enumerate(zip(stages, blocks, strict=True)):
        flags = [entry] * count if isinstance(entry, bool) else entry
        if not isinstance(flags, (tuple, list)) or len(flags) != count or not all(isinstance(f, bool) for f in flags):
            raise ValueError(f'{key}[{stage}] must be a bool, or one bool for each of the {count} blocks of this '
                             f'stage, got {entry!r}.')
        chosen += [(stage, block) for block, flag in enumerate(flags) if flag]
    return chosen

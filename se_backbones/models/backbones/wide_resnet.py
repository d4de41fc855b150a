"""Wide residual networks (arXiv 1605.07146), with slots for context operators.

Official code: szagoruyko/wide-residual-networks. Both papers' CIFAR tables have WRN-16-8.
"""

from collections.abc import Sequence

from se_backbones.models.backbones.preact_resnet import PreActResNet, block_count, block_counts
from se_backbones.registry import MODELS
from se_backbones.utils.validation import positive_int


@MODELS.register_module()
class WideResNet(PreActResNet):
    """WRN-d-k: basic pre-activation units, k times as wide; ``(N, in_channels, H, W)`` to a tuple of maps.

    It differs from :class:`PreActResNet` in the width, and in that only a projection shares norm and ReLU with the
    branch, which matters for ``widen_factor=1``.

    Args:
        depth: ``6n + 4`` for n units in each of three stages (the paper counts the three projections), or a tuple of
            units per stage.
        context: See :class:`PreActResNet`.
        widen_factor: k; the stages have 16k, 32k and 64k channels.
        base_channels: Channels of the first stage before the widening.
        stem_channels: Channels of the stem; None: ``base_channels``, which is not widened.
        dropout: Dropout between the two convolutions of a unit.
        kwargs: See :class:`PreActResNet`; ``block`` is always ``'basic'``.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    first_unit_shares_activation = False

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 widen_factor: int = 1, base_channels: int = 16, stem_channels: int | None = None,
                 dropout: float = 0.0, **kwargs):
        if isinstance(depth, (tuple, list)):
            blocks = block_counts(depth)
        else:
            blocks = (block_count(depth, 6, 4),) * 3
            if not all(blocks):
                raise ValueError('depth must be 6n + 4 (10, 16, 22, 28, 40, ...) or a tuple of units per stage such '
                                 f'as (2, 2, 2), got {depth!r}.')
        if kwargs.pop('block', 'basic') != 'basic':
            raise ValueError("block must be 'basic': wide residual networks have no bottlenecks.")
        super().__init__(blocks, context, block='basic', dropout=dropout,
                         base_channels=base_channels * positive_int('widen_factor', widen_factor),
                         stem_channels=base_channels if stem_channels is None else stem_channels, **kwargs)

"""ShuffleNet v1 (arXiv 1707.01083), with slots for context operators (SE paper, Table III; GE paper, Table 4).

State-dict names are those of mmpretrain's ``ShuffleNetV1``, whose weights load with ``bottleneck='output'``.
"""

from collections.abc import Sequence

import torch
from mmengine.model import ModuleList
from torch import Tensor, nn

from se_backbones.models.backbones.base import ResidualBackbone
from se_backbones.models.backbones.layers import ConvNorm
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize, rounded_to_8, stage_depths, strided, widened
from se_backbones.models.units import ResidualUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import one_of

# Output channels of the three stages for each number of groups (the paper's Table 1).
CHANNELS = {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960), 4: (272, 544, 1088), 8: (384, 768, 1536)}
DEPTH = (4, 8, 4)
BOTTLENECKS = ('branch', 'output')
CONTEXT_ON = ('branch', 'output')


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Send channel ``k`` of group ``g`` to ``k * groups + g``, so that the next groups see all; ``(N, C, H, W)``."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class ShuffleUnit(ResidualUnit):
    """Group 1x1, norm, ReLU, shuffle, depth-wise 3x3, norm, group 1x1, norm; ``(N, C, H, W) -> (N, C', H', W')``.

    The shuffle stands after the depth-wise convolution, as in mmpretrain, which gives the same network with the 3x3's
    channels in another order. With stride 1 the input is added; with stride 2 the branch makes ``C' - C`` channels,
    which are concatenated to the average-pooled input (the paper's Figure 2).

    The slots: ``standard`` is on the branch before the sum or concatenation; with stride 2 and ``context_on='output'``
    it is on all ``C'`` channels after the concatenation, before the ReLU, and named ``output``. ``3x3`` follows the
    depth-wise convolution and its norm, ``pre`` feeds the branch, ``identity`` is on the (pooled) shortcut, ``post`` on
    the unit's output after its ReLU.

    Args:
        in_channels, out_channels, stride, groups: Of the unit.
        first_groups: Groups of the first 1x1.
        bottleneck: ``'branch'``: a quarter of the branch's output channels inside; ``'output'``: of the unit's.
        context_on: ``'branch'`` or ``'output'``, see above.
        slots: ``{placement: slot}`` of this unit.
        in_size: (H, W) of the input for operators that depend on it.
        drop_path_rate, with_cp: See :class:`ResidualUnit`.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, groups: int, first_groups: int,
                 bottleneck: str, context_on: str, conv_cfg: dict | None, norm_cfg: dict, slots: dict[str, Slot],
                 in_size: MapSize, drop_path_rate: float, with_cp: bool):
        # Without its branch a unit of stride 2 would lose most of its channels.
        super().__init__(in_channels, out_channels, stride, drop_path_rate if stride == 1 else 0.0, with_cp)
        self.groups = groups
        self.concatenates = stride == 2
        branch_channels = out_channels - in_channels if self.concatenates else out_channels
        width = (branch_channels if bottleneck == 'branch' else out_channels) // 4
        if width % groups or branch_channels % groups or in_channels % first_groups or not width:
            raise ValueError(
                f'groups={groups} must divide the {in_channels} channels into, the {width} inside and the '
                f'{branch_channels} out of the branch of a unit with bottleneck={bottleneck!r}; change bottleneck '
                f'(one of {", ".join(map(repr, BOTTLENECKS))}), groups or widen_factor.')
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.g_conv_1x1_compress = ConvNorm(in_channels, width, 1, groups=first_groups, **layers)
        self.depthwise_conv3x3_bn = ConvNorm(width, width, 3, stride=stride, padding=1, groups=width, act_cfg=None,
                                             **layers)
        self.g_conv_1x1_expand = ConvNorm(width, branch_channels, 1, groups=groups, act_cfg=None, **layers)
        if self.concatenates:
            self.downsample = nn.AvgPool2d(3, stride=2, padding=1)
        if self.concatenates and context_on == 'output':
            slots = {'output' if key == 'standard' else key: slot for key, slot in slots.items()}
        self.fill_slots(slots, in_size, norm_cfg,
                        {'3x3': width, 'standard': branch_channels, 'identity': in_channels})

    def branch(self, x: Tensor) -> Tensor:
        x = self.depthwise_conv3x3_bn(self.g_conv_1x1_compress(x))
        return self.g_conv_1x1_expand(channel_shuffle(self.apply_operator('3x3', x), self.groups))

    def combine(self, out: Tensor, shortcut: Tensor) -> Tensor:
        if self.concatenates:
            return self.apply_operator('output', torch.cat((shortcut, out), 1))
        return super().combine(out, shortcut)

    def layers_to_rescale(self, placement: str) -> nn.Module | str:
        if placement == 'post':
            return 'the gate acts on the joined branch and shortcut, which no single layer scales'
        if placement == 'output':
            return "the gate acts on the pooled input too, which has no layer to scale (context_on='branch' is exact)"
        return super().layers_to_rescale(placement)

    def branch_layer(self, placement: str) -> nn.Module:
        if placement == 'pre':
            return self.g_conv_1x1_compress.conv
        return (self.depthwise_conv3x3_bn if placement == '3x3' else self.g_conv_1x1_expand).norm


@MODELS.register_module()
class ShuffleNetV1(ResidualBackbone):
    """ShuffleNet v1 with context operators; ``(N, in_channels, H, W)`` to a tuple of maps in ``out_indices`` order.

    A stem of stride 4 (24 channels) and three stages of strides 8, 16 and 32. Arguments that mmpretrain's ShuffleNetV1
    has mean the same.

    Args:
        depth: Units of each stage; the default is the published ``(4, 8, 4)``. The first of each has stride 2.
        context: None, or where which operators sit: see :class:`~se_backbones.models.placement.ContextPlan` and,
            for what the slots mean here, :class:`ShuffleUnit`. ``stages`` has one entry per stage.
        groups: Groups of the 1x1 convolutions: 1, 2, 3 (default), 4 or 8.
        widen_factor: Scales the channels; stages are rounded to multiples of 8 as in mmpretrain.
        bottleneck: Channels inside a unit of stride 2. ``'output'`` (default): a quarter of the unit's output, as in
            mmpretrain; it has the parameter counts of the GE paper (1.87 M, with SE 2.48 M). ``'branch'``: a quarter of
            what the branch adds, which has those of the SE paper (1.81 M, with SE 2.43 M).
        context_on: What ``standard`` means in units of stride 2. ``'branch'`` (default): the branch before the
            concatenation, which fits the SE rows of both papers; ``'output'``: all channels after it, which fits the
            GE rows of the GE paper's Table 4.
        kwargs: See :class:`Backbone` and :class:`ResidualBackbone`; units of stride 2 have no ``drop_path_rate``.

    Raises:
        ValueError: A wrong value, or a setting without effect; the message names the key and the allowed values.
    """

    def __init__(self, depth: Sequence[int] = DEPTH, context: dict | Sequence[dict] | None = None, *,
                 groups: int = 3, widen_factor: float = 1.0, bottleneck: str = 'output', context_on: str = 'branch',
                 **kwargs):
        one_of('groups', groups, tuple(CHANNELS))
        super().__init__(len(DEPTH), **kwargs)
        depth = stage_depths(depth, DEPTH, f'units of each of the {len(DEPTH)} stages')
        one_of('bottleneck', bottleneck, BOTTLENECKS)
        one_of('context_on', context_on, CONTEXT_ON)
        plan = ContextPlan(context, depth)
        if context_on == 'output' and not any('standard' in plan.slots_of(stage, 0) for stage in range(len(DEPTH))):
            raise ValueError("context_on='output' has no effect without a context of placement='standard' in the first "
                             'unit of a stage; remove it.')
        channels = widened(24, widen_factor)
        self.conv1 = ConvNorm(self.in_channels, channels, 3, stride=2, padding=1, **self.layer_cfgs)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        builder = StageBuilder(plan, channels, strided(strided(self.input_size, 2), 2), 4, **self.unit_options)
        self.layers = ModuleList()
        for stage, full_channels in enumerate(CHANNELS[groups]):
            # The paper applies no groups to the first 1x1 of all, as it has few input channels (section 3.2).
            first_groups = [dict(first_groups=groups if stage or block else 1) for block in range(depth[stage])]
            self.layers.append(builder.stage(
                ShuffleUnit, stage, 2, first_groups, out_channels=rounded_to_8(full_channels * widen_factor),
                groups=groups, bottleneck=bottleneck, context_on=context_on))
        self.features = builder.features
        self.freeze()

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1]

    def stage_modules(self, stage: int) -> list[nn.Module]:
        return [self.layers[stage]]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(self.maxpool(self.conv1(x)))

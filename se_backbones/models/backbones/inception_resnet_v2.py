"""Inception-ResNet-v2 (arXiv 1602.07261), with slots for context operators (SE paper, sections 3.3 and 5.1, Table II).

Layout and state-dict names are those of timm's ``inception_resnet_v2`` (TF-slim's release), whose weights load as they
are. The SE paper released no code for it; its 11.75 GFLOPs are not this layout's 13.2 at 299.
"""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_conv_layer
from mmengine.model import Sequential
from torch import Tensor, nn

from se_backbones.models.backbones.base import ResidualBackbone
from se_backbones.models.backbones.layers import ConvNorm
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize, stage_depths, unpadded, widened
from se_backbones.models.units import ResidualUnit
from se_backbones.registry import MODELS

# Branches of layers (channels, kernel) that keep the size, or (channels, kernel, 2) of stride 2 without padding.
BLOCK35 = ([(32, 1)],
           [(32, 1), (32, 3)],
           [(32, 1), (48, 3), (64, 3)])
BLOCK17 = ([(192, 1)],
           [(128, 1), (160, (1, 7)), (192, (7, 1))])
BLOCK8 = ([(192, 1)],
          [(192, 1), (224, (1, 3)), (256, (3, 1))])
MIXED_5B = ([(96, 1)],
            [(48, 1), (64, 5)],
            [(64, 1), (96, 3), (96, 3)],
            ['avg', (64, 1)])
MIXED_6A = ([(384, 3, 2)],
            [(256, 1), (256, 3), (384, 3, 2)],
            ['max'])
MIXED_7A = ([(256, 1), (384, 3, 2)],
            [(256, 1), (288, 3, 2)],
            [(256, 1), (288, 3), (320, 3, 2)],
            ['max'])
# Of stages 1, 2 and 3: the mixing module and the repeated block with their names, the scale of the block's branch.
STAGES = (
    ('mixed_5b', MIXED_5B, 'repeat', BLOCK35, 0.17),
    ('mixed_6a', MIXED_6A, 'repeat_1', BLOCK17, 0.10),
    ('mixed_7a', MIXED_7A, 'repeat_2', BLOCK8, 0.20),
)
DEPTH = (10, 20, 10)
SMALLEST_INPUT = 75


def add_branches(owner: nn.Module, in_channels: int, branches: Sequence[Sequence], widen_factor: float,
                 **layer_cfgs: dict | None) -> int:
    """Add ``branch0``, ``branch1``, ... to ``owner``; return the channels of their concatenation."""
    total = 0
    for number, layers in enumerate(branches):
        channels, modules = in_channels, []
        for layer in layers:
            if layer == 'avg':
                modules.append(nn.AvgPool2d(3, 1, padding=1, count_include_pad=False))
            elif layer == 'max':
                modules.append(nn.MaxPool2d(3, 2))
            else:
                modules.append(_conv(channels, layer, widen_factor, layer_cfgs))
                channels = modules[-1].out_channels
        owner.add_module(f'branch{number}', modules[0] if len(modules) == 1 else nn.Sequential(*modules))
        total += channels
    return total


def _conv(in_channels: int, layer: tuple, widen_factor: float, layer_cfgs: dict) -> ConvNorm:
    width, kernel, *stride = layer
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = 0 if stride else (rows // 2, columns // 2)
    return ConvNorm(in_channels, widened(width, widen_factor), kernel, stride=stride[0] if stride else 1,
                    padding=padding, **layer_cfgs)


def join_branches(owner: nn.Module, branches: Sequence, x: Tensor) -> Tensor:
    """Return the concatenation of what the branches of ``owner`` make of ``x``."""
    return torch.cat([getattr(owner, f'branch{number}')(x) for number in range(len(branches))], 1)


class MixedModule(nn.Module):
    """Branches without a shortcut: ``mixed_5b``, and ``mixed_6a`` and ``mixed_7a`` of stride 2."""

    def __init__(self, in_channels: int, branches: Sequence, widen_factor: float, **layer_cfgs: dict | None):
        super().__init__()
        self._branches = branches
        self.out_channels = add_branches(self, in_channels, branches, widen_factor, **layer_cfgs)

    def forward(self, x: Tensor) -> Tensor:
        return join_branches(self, self._branches, x)


class InceptionResidualUnit(ResidualUnit):
    """Branches, concatenated, and a linear 1x1 ``conv2d`` back to the input's channels; ``(N, C, H, W)`` in and out.

    Args:
        channels: C.
        branches, residual_scale: Of the block, see ``STAGES``.
        widen_factor: See :class:`InceptionResNetV2`.
        activation: Whether a ReLU follows the sum; not in the network's last block.
        slots: ``{placement: slot}`` of this unit.
        in_size: (H, W) for operators that depend on it.
        drop_path_rate, with_cp: See :class:`ResidualUnit`.
    """

    placements = ('standard', 'pre', 'post', 'identity')

    def __init__(self, channels: int, branches: Sequence, residual_scale: float, widen_factor: float, *,
                 activation: bool, slots: dict[str, Slot], in_size: MapSize, conv_cfg: dict | None, norm_cfg: dict,
                 drop_path_rate: float, with_cp: bool):
        super().__init__(channels, channels, 1, drop_path_rate, with_cp)
        self.residual_scale = residual_scale
        if not activation:
            self.activation = nn.Identity()
        self._branches = branches
        width = add_branches(self, channels, branches, widen_factor, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv2d = build_conv_layer(conv_cfg, width, channels, 1, bias=True)
        self.fill_slots(slots, in_size, norm_cfg)

    def branch(self, x: Tensor) -> Tensor:
        return self.conv2d(join_branches(self, self._branches, x))

    def branch_layer(self, placement: str) -> nn.Module | list[nn.Module]:
        if placement == 'pre':
            return [next(m.conv for m in getattr(self, f'branch{number}').modules() if isinstance(m, ConvNorm))
                    for number in range(len(self._branches))]
        return self.conv2d


@MODELS.register_module()
class InceptionResNetV2(ResidualBackbone):
    """Inception-ResNet-v2 with context operators; ``(N, in_channels, H, W)`` to a tuple of maps.

    ===== ====== ======== =======================================================
    stage stride channels modules
    ===== ====== ======== =======================================================
    stem  2      64       conv2d_1a, conv2d_2a, conv2d_2b
    0     4      192      maxpool_3a, conv2d_3b, conv2d_4a: no block, no operator
    1     8      320      maxpool_5a, mixed_5b, 10 blocks ``repeat``
    2     16     1088     mixed_6a, 20 blocks ``repeat_1``
    3     32     1536     mixed_7a, 9 blocks ``repeat_2``, ``block8``, conv2d_7b
    ===== ====== ======== =======================================================

    No strided layer has padding, so that maps are smaller than size / stride: 71, 35, 17, 8 for 299, the SE paper's
    crop. Operators sit in the blocks: ``standard`` is after the linear 1x1, before the scale and the sum. The mixing
    modules have none, since the paper names the residual branches only.

    Args:
        depth: Blocks of stages 1, 2 and 3; the last one of stage 3 is ``block8``, without scale and ReLU.
        context: None, or where which operators sit: see :class:`~se_backbones.models.placement.ContextPlan`;
            all slots but ``'3x3'``, for a block has several or none. ``stages`` has four entries; the first selects
            nothing.
        widen_factor: Factor of all widths, which are ``max(1, int(c * widen_factor))``.
        norm_cfg: mmcv's layer config. Default: ``dict(type='BN', eps=1e-3)``, as released.
        input_size: As in other backbones, but 299 by default, and at least 75.
        kwargs: See :class:`Backbone` and :class:`ResidualBackbone`.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    def __init__(self, depth: Sequence[int] = DEPTH, context: dict | Sequence[dict] | None = None, *,
                 widen_factor: float = 1.0, norm_cfg: dict | None = None,
                 input_size: int | tuple[int, int] = 299, **kwargs):
        super().__init__(1 + len(STAGES), norm_cfg=norm_cfg or dict(type='BN', eps=1e-3), input_size=input_size,
                         **kwargs)
        depth = stage_depths(depth, DEPTH, 'blocks of stages 1, 2 and 3')
        size = self.input_size
        if min(size) < SMALLEST_INPUT:
            raise ValueError(f'input_size must be at least {SMALLEST_INPUT}, as most layers have no padding, got '
                             f'{input_size!r}.')
        layers = self.layer_cfgs
        c32, c64, c80, channels = (widened(width, widen_factor) for width in (32, 64, 80, 192))
        self.conv2d_1a = ConvNorm(self.in_channels, c32, 3, stride=2, **layers)
        self.conv2d_2a = ConvNorm(c32, c32, 3, **layers)
        self.conv2d_2b = ConvNorm(c32, c64, 3, padding=1, **layers)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = ConvNorm(c64, c80, 1, **layers)
        self.conv2d_4a = ConvNorm(c80, channels, 3, **layers)
        self.maxpool_5a = nn.MaxPool2d(3, 2)
        self._stages = [['maxpool_3a', 'conv2d_3b', 'conv2d_4a'], ['maxpool_5a'], [], []]
        # Sizes after conv2d_1a, 2a, maxpool_3a, conv2d_4a; then each stage begins with a stride of 2.
        for stride in (2, 1, 2, 1):
            size = unpadded(size, stride)
        builder = StageBuilder(ContextPlan(context, (0, *depth), placements=InceptionResidualUnit.placements),
                               channels, size, 4, **self.unit_options)
        builder.end_stage()
        for stage, (mixed_name, mixed, name, branches, scale) in enumerate(STAGES, 1):
            module = MixedModule(builder.channels, mixed, widen_factor, **layers)
            self.add_module(mixed_name, module)
            builder.channels, builder.size = module.out_channels, unpadded(builder.size, 2)
            builder.stride = 2**(stage + 2)  # maxpool_5a's, or the mixing module's
            last_stage = stage == len(STAGES)
            units = []
            for block in range(depth[stage - 1]):
                closes = last_stage and block == depth[-1] - 1  # block8: neither scaled nor followed by a ReLU
                units.append(builder.unit(InceptionResidualUnit, stage, block, branches=branches,
                                          residual_scale=1.0 if closes else scale, widen_factor=widen_factor,
                                          activation=not closes))
            self._stages[stage] += [mixed_name, name]
            if last_stage:
                self.block8 = units.pop()
                self._stages[stage] += ['block8', 'conv2d_7b']
            self.add_module(name, Sequential(*units))
            if last_stage:
                self.conv2d_7b = ConvNorm(builder.channels, widened(1536, widen_factor), 1, **layers)
                builder.channels = self.conv2d_7b.out_channels
            builder.end_stage()
        self.features = builder.features
        self.freeze()

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv2d_1a, self.conv2d_2a, self.conv2d_2b]

    def stage_modules(self, stage: int) -> list[nn.Module]:
        return [getattr(self, name) for name in self._stages[stage]]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))

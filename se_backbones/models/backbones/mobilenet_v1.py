"""MobileNet v1 (arXiv 1704.04861), with slots for context operators (SE paper, Table III)."""

from collections.abc import Sequence

from torch import Tensor, nn

from se_backbones.models.backbones.base import Backbone
from se_backbones.models.backbones.layers import ConvNorm
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize, stage_depths, strided, widened
from se_backbones.models.units import ContextUnit
from se_backbones.registry import MODELS

DEPTH = (1, 2, 2, 6, 2)


class SeparableUnit(ContextUnit):
    """Depth-wise 3x3, norm, ReLU, point-wise 1x1, norm, ReLU, then the ``standard`` slot.

    ``(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))``. Operators on the point-wise output give the 4.7 M
    parameters of the SE paper's Table III; on the depth-wise output they would give 4.6 M.

    Args:
        in_channels, out_channels, stride: Of the unit; the depth-wise convolution has the stride.
        slots: ``{'standard': slot}`` or empty.
        in_size: (H, W) of the input for operators that depend on it.
        with_cp: See :class:`ContextUnit`.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, slots: dict[str, Slot], in_size: MapSize,
                 conv_cfg: dict | None, norm_cfg: dict, with_cp: bool):
        super().__init__(in_channels, out_channels, stride, with_cp)
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.depthwise = ConvNorm(in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels, **layers)
        self.pointwise = ConvNorm(in_channels, out_channels, 1, **layers)
        self.fill_slots(slots, in_size, norm_cfg)

    def _forward(self, x: Tensor) -> Tensor:
        return self.apply_operator('standard', self.pointwise(self.depthwise(x)))

    def layers_to_rescale(self, placement: str) -> nn.Module | str:
        return self.pointwise.norm  # the ReLU between it and the gate commutes with the factor 2


@MODELS.register_module()
class MobileNetV1(Backbone):
    """MobileNet v1 with context operators; ``(N, in_channels, H, W)`` to a tuple of maps in ``out_indices`` order.

    Five stages of strides 2, 4, 8, 16, 32 with 64, 128, 256, 512, 1024 channels; the stem is the first convolution
    (stride 2, 32 channels). An FPN takes ``out_indices=(1, 2, 3, 4)``. The activation is ReLU as in the paper; the
    networks of TF-slim's and timm's weights have ReLU6.

    Args:
        depth: Units of each stage; the default is the published 13.
        context: None, or where which operators sit: see :class:`se_backbones.models.placement.ContextPlan`. The slot is
            ``'standard'``: after the point-wise convolution, its norm and ReLU. ``stages`` has five entries.
        widen_factor: The paper's width multiplier; channels are ``max(1, int(c * widen_factor))``.
        kwargs: See :class:`Backbone`.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    def __init__(self, depth: Sequence[int] = DEPTH, context: dict | Sequence[dict] | None = None, *,
                 widen_factor: float = 1.0, **kwargs):
        super().__init__(len(DEPTH), **kwargs)
        depth = stage_depths(depth, DEPTH, f'units of each of the {len(DEPTH)} stages')
        channels = widened(32, widen_factor)
        self.conv1 = ConvNorm(self.in_channels, channels, 3, stride=2, padding=1, **self.layer_cfgs)
        builder = StageBuilder(ContextPlan(context, depth, placements=('standard',)), channels,
                               strided(self.input_size, 2), 2, **self.unit_options)
        self.stage_names = [f'layer{stage + 1}' for stage in range(len(DEPTH))]
        for stage, name in enumerate(self.stage_names):
            self.add_module(name, builder.stage(SeparableUnit, stage, 2 if stage else 1,
                                                out_channels=widened(64 * 2**stage, widen_factor)))
        self.features = builder.features
        self.freeze()

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(self.conv1(x))

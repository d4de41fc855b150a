"""MobileNet v1 (arXiv 1704.04861), with slots for context operators (SE paper, Table III)."""

from collections.abc import Sequence

from mmengine.model import Sequential
from torch import Tensor, nn

from se_backbones.models.backbones.base import Backbone, Feature
from se_backbones.models.backbones.conv_norm import ConvNorm, widened
from se_backbones.models.backbones.resnet import MapSize, strided
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.units import ContextUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import image_size, positive_int

NUM_STAGES = 5


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
        super().__init__(with_cp)
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.depthwise = ConvNorm(in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels, **layers)
        self.pointwise = ConvNorm(in_channels, out_channels, 1, **layers)
        self.fill_slots(slots, channels={'standard': out_channels}, map_sizes={'standard': strided(in_size, stride)},
                        norm_cfg=norm_cfg)

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
        in_channels: Channels of the image.
        out_indices: Stages whose outputs are returned.
        frozen_stages, norm_eval: See :class:`Backbone`.
        conv_cfg, norm_cfg: mmcv's layer configs; default norm: ``dict(type='BN')``.
        with_cp: Recompute units in the backward pass.
        input_size: Image size, int or (H, W), from which global ``theta`` gathers derive their kernels.
        pretrained, init_cfg: See :class:`se_backbones.ResNet`.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    def __init__(self, depth: Sequence[int] = (1, 2, 2, 6, 2), context: dict | Sequence[dict] | None = None, *,
                 widen_factor: float = 1.0, in_channels: int = 3, out_indices: Sequence[int] = (4,),
                 frozen_stages: int = -1, conv_cfg: dict | None = None, norm_cfg: dict | None = None,
                 norm_eval: bool = False, with_cp: bool = False, input_size: int | tuple[int, int] = 224,
                 pretrained: str | None = None, init_cfg: dict | Sequence[dict] | None = None):
        super().__init__(NUM_STAGES, out_indices, frozen_stages, norm_eval, pretrained, init_cfg)
        if not isinstance(depth, (tuple, list)) or len(depth) != NUM_STAGES:
            raise ValueError(f'depth must be a tuple with the units of each of the {NUM_STAGES} stages, such as '
                             f'(1, 2, 2, 6, 2), got {depth!r}.')
        for count in depth:
            positive_int('depth[...]', count)
        plan = ContextPlan(context, depth, placements=('standard',))
        norm_cfg = norm_cfg or dict(type='BN')
        channels = widened(32, widen_factor)
        self.conv1 = ConvNorm(in_channels, channels, 3, stride=2, padding=1, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        size = strided(image_size('input_size', input_size), 2)
        self.features = []
        self.stage_names = [f'layer{stage + 1}' for stage in range(NUM_STAGES)]
        for stage, name in enumerate(self.stage_names):
            out_channels = widened(64 * 2**stage, widen_factor)
            units = []
            for block in range(depth[stage]):
                stride = 2 if block == 0 and stage > 0 else 1
                units.append(SeparableUnit(channels, out_channels, stride, slots=plan.slots_of(stage, block),
                                           in_size=size, conv_cfg=conv_cfg, norm_cfg=norm_cfg, with_cp=with_cp))
                channels, size = out_channels, strided(size, stride)
            self.add_module(name, Sequential(*units))
            self.features.append(Feature(stage, channels, 2**(stage + 1)))
        self.freeze()

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(self.conv1(x))

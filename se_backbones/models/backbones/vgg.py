"""VGG (arXiv 1409.1556) with batch norm, with slots for context operators (SE paper, section 5.1).

The networks are flat: convolutions and pools count through ``features.0``, ``features.1``, ... as in mmpretrain's VGG.
An operator sits inside its convolution's unit and shifts no index, so that mmpretrain's checkpoints load as they are.
In torchvision's and timm's ``features`` norms and ReLUs have indices too: ``features.n.conv`` is their ``features.m``,
``features.n.bn`` their ``features.(m + 1)``, where m is n plus twice the number of convolutions before it (plus that
number in networks without norms). The ``classifier`` is torchvision's.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from mmengine.model import Sequential
from torch import Tensor, nn

from se_backbones.models.backbones.base import Backbone
from se_backbones.models.backbones.stages import Feature, StageBuilder
from se_backbones.models.loading import DEFAULT_INIT
from se_backbones.models.norms import add_norm
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize, first_stages, per_stage
from se_backbones.models.units import ContextUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import positive_int

DEPTHS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class ConvUnit(ContextUnit):
    """Convolution 3x3, norm, ReLU, then the ``standard`` slot; ``(N, C, H, W) -> (N, C', H, W)``.

    Args:
        in_channels, out_channels, dilation: Of the convolution. Its bias does nothing before a norm, but all published
            weights have it.
        slots: ``{'standard': slot}`` or empty.
        in_size: (H, W) for operators that depend on it.
        conv_cfg, norm_cfg: mmcv's layer configs; ``norm_cfg=None``: no norm.
        with_cp: See :class:`ContextUnit`.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int, slots: dict[str, Slot], in_size: MapSize,
                 conv_cfg: dict | None, norm_cfg: dict | None, with_cp: bool):
        super().__init__(in_channels, out_channels, with_cp=with_cp)
        self.conv = build_conv_layer(conv_cfg, in_channels, out_channels, 3, padding=dilation, dilation=dilation,
                                     bias=True)
        self._norm_name = None if norm_cfg is None else add_norm(self, norm_cfg, out_channels)
        self.fill_slots(slots, in_size, norm_cfg or dict(type='BN'))

    def _forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self._norm_name is not None:
            x = getattr(self, self._norm_name)(x)
        return self.apply_operator('standard', F.relu(x, inplace=True))

    def layers_to_rescale(self, placement: str) -> nn.Module | str:
        # The ReLU between this layer and the gate commutes with the factor 2.
        return self.conv if self._norm_name is None else getattr(self, self._norm_name)


class Classifier(nn.Sequential):
    """Fully connected layers with ReLU and dropout 0.5 between them: ``(N, C, H, W)`` of one fixed size to scores."""

    def __init__(self, in_channels: int, map_size: MapSize, fc_channels: int, num_classes: int):
        self.map_size = map_size
        super().__init__(
            nn.Linear(in_channels * map_size[0] * map_size[1], fc_channels), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(fc_channels, fc_channels), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(fc_channels, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != self.map_size:
            raise ValueError(f'The classifier of VGG takes maps of {self.map_size[0]}x{self.map_size[1]}, but got '
                             f'{x.shape[-2]}x{x.shape[-1]}. Give the backbone input_size=<the image size>, or '
                             'num_classes=-1 and a head with global average pooling.')
        return super().forward(x.flatten(1))


@MODELS.register_module()
class VGG(Backbone):
    """VGG with context operators; ``(N, in_channels, H, W)`` to a tuple of maps in ``out_indices`` order.

    Arguments that mmpretrain's VGG has mean the same; unlike there, ``norm_cfg`` defaults to batch norm, as in the SE
    paper. Stage i has stride ``2**(i + 1)``, its pool included, so that an FPN takes ``out_indices=(1, 2, 3, 4)``.

    The paper's head (4096, 4096, 1000) is built here by ``num_classes=1000``, as in mmpretrain: the scores
    ``(N, num_classes)`` are one more output, number ``num_stages``, for ``neck=None, head=dict(type='ClsHead')``.

    Args:
        depth: 11, 13, 16, 19, or a tuple of convolutions per stage.
        context: None, or where which operators sit: see :class:`se_backbones.models.placement.ContextPlan`. The slot is
            ``'standard'``: after each convolution, its norm and ReLU.
        base_channels: Channels of the first stage; they double up to eight times as many.
        num_stages: How many of the stages are built.
        dilations: Of each stage's convolutions.
        ceil_mode: Of the pools.
        with_last_pool: Whether the last stage ends in its pool.
        num_classes: Classes of the fully connected head; -1: none.
        fc_channels: Width of its two hidden layers. Default 4096.
        norm_cfg: mmcv's layer config. None: the first VGGs, without norms.
        kwargs: See :class:`Backbone`. There is no stem; the head counts as one more stage, and derives its size from
            ``input_size``.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    default_init = (*DEFAULT_INIT, dict(type='Normal', std=0.01, layer='Linear'))

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 base_channels: int = 64, num_stages: int | None = None, dilations: Sequence[int] | None = None,
                 ceil_mode: bool = False, with_last_pool: bool = True, num_classes: int = -1,
                 fc_channels: int | None = None, norm_cfg: dict | None = dict(type='BN'),  # noqa: B006 read only
                 **kwargs):
        blocks = first_stages(parse_depth(depth), num_stages, depth)
        num_stages = len(blocks)
        with_head = num_classes != -1
        super().__init__(num_stages + with_head, norm_cfg=norm_cfg, **kwargs)
        self.norm_cfg = norm_cfg
        dilations = per_stage('dilations', dilations, num_stages, (1,) * num_stages)
        builder = StageBuilder(ContextPlan(context, blocks, placements=('standard',)), self.in_channels,
                               self.input_size, **self.unit_options)
        layers, self._ends = [], []
        for stage, convs in enumerate(blocks):
            layers += [builder.unit(ConvUnit, stage, block, out_channels=base_channels * min(2**stage, 8),
                                    dilation=dilations[stage]) for block in range(convs)]
            if with_last_pool or stage < num_stages - 1:
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=ceil_mode))
                builder.size = tuple((side + ceil_mode) // 2 for side in builder.size)
                builder.stride *= 2
                if min(builder.size) < 1:
                    raise ValueError(f'input_size must be at least {2**(stage + 1)} for {stage + 1} pools, '
                                     f'got {self.input_size!r}.')
            self._ends.append(len(layers))
            builder.end_stage()
        self.features = Sequential(*layers)
        self._features = builder.features
        if with_head:
            self._build_head(builder, fc_channels, num_classes, with_last_pool)
        elif fc_channels is not None:
            raise ValueError(f'fc_channels={fc_channels!r} has no effect with num_classes=-1; remove it.')
        self.freeze()

    def _build_head(self, builder: StageBuilder, fc_channels: int | None, num_classes: int,
                    with_last_pool: bool) -> None:
        scores = len(self._features)
        if scores not in self.out_indices:
            raise ValueError(f'num_classes={num_classes} builds the classifier, whose scores are output {scores}, but '
                             f'out_indices={self.out_indices} leaves it out; add it, or use num_classes=-1.')
        if not with_last_pool:
            raise ValueError(f'num_classes={num_classes} needs with_last_pool=True, got False.')
        self.classifier = Classifier(builder.channels, builder.size, 4096 if fc_channels is None else fc_channels,
                                     num_classes)
        self._features.append(Feature(scores, num_classes, 0))

    @property
    def feature_info(self) -> tuple[Feature, ...]:
        """Stage, channels and stride of each output; scores have stride 0."""
        # `features` is the convolutions here, the name that all VGG weights have.
        return tuple(self._features[index] for index in self.out_indices)

    def stem_modules(self) -> list[nn.Module]:
        return []

    def stage_modules(self, stage: int) -> list[nn.Module]:
        if stage == len(self._ends):
            return [self.classifier]
        return list(self.features)[self._ends[stage - 1] if stage else 0:self._ends[stage]]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(x)


def parse_depth(depth: int | Sequence[int]) -> tuple[int, ...]:
    """Return the convolutions of each stage for a published depth or an explicit tuple."""
    if isinstance(depth, (tuple, list)) and depth:
        return tuple(positive_int('depth[...]', count) for count in depth)
    if isinstance(depth, (tuple, list)) or depth not in DEPTHS:
        raise ValueError(f'depth must be one of {", ".join(map(str, DEPTHS))} or a tuple of convolutions per stage, '
                         f'such as (2, 2, 3, 3, 3), got {depth!r}.')
    return DEPTHS[depth]

"""The C4 shared head: the last ResNet stage, applied to each region of interest, with its context operators.

Faster R-CNN of the ResNet paper runs conv5_x after RoI pooling; the GE paper's COCO experiment follows it.
mmdet's own ``ResLayer`` builds plain blocks, so the operators of that stage would be missing.
"""

from collections.abc import Sequence

from torch import Tensor

from se_backbones.models.backbones.base import norms_to_eval
from se_backbones.models.backbones.resnet import parse_depth
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.loading import PretrainedModule
from se_backbones.models.placement import ContextPlan
from se_backbones.registry import MODELS
from se_backbones.utils.validation import image_size, positive_int


@MODELS.register_module()
class ResLayer(PretrainedModule):
    """One stage of a ResNet as ``roi_head.shared_head``: ``(R, C, h, w)`` to ``(R, 2C, h / stride, w / stride)``.

    Arguments that mmdet's ``ResLayer`` has mean the same. Keys are ``layer{stage + 1}.*``: the backbone's checkpoint
    loads into this module as it is, and operators are inserted into plain weights as in a backbone.

    Args:
        depth: 18, 34, 50, 101, 152, or a tuple of blocks per stage.
        context: As in a backbone; ``stages`` has one entry, for this stage.
        block: ``'bottleneck'`` (default) or ``'basic'``, for a tuple ``depth``.
        stage: Index of the stage, 3 for conv5_x.
        base_channels: Planes of the network's first stage.
        stride, dilation, style: See :class:`se_backbones.ResNet`.
        norm_cfg, norm_eval, conv_cfg, dcn, with_cp: See :class:`se_backbones.ResNet`.
        input_size: Size of the RoI maps, for global ``theta`` gathers; 14 in mmdet's C4 configs.
        pretrained, init_cfg: See :class:`se_backbones.ResNet`.

    Raises:
        ValueError: A wrong value; the message names the key.
    """

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 block: str | None = None, stage: int = 3, base_channels: int = 64, stride: int = 2, dilation: int = 1,
                 style: str = 'pytorch', conv_cfg: dict | None = None, norm_cfg: dict | None = None,
                 norm_eval: bool = True, dcn: dict | None = None, with_cp: bool = False,
                 input_size: int | tuple[int, int] = 14, pretrained: str | None = None,
                 init_cfg: dict | Sequence[dict] | None = None):
        super().__init__(pretrained, init_cfg)
        unit, blocks = parse_depth(depth, block)
        if stage not in range(1, len(blocks)):
            raise ValueError(f'stage must be from 1 to {len(blocks) - 1} for depth={depth!r}, got {stage!r}.')
        self.style = style
        planes = positive_int('base_channels', base_channels) * 2**stage
        builder = StageBuilder(ContextPlan(context, blocks[stage:stage + 1]), planes // 2 * unit.expansion,
                               image_size('input_size', input_size), conv_cfg=conv_cfg, norm_cfg=norm_cfg,
                               with_cp=with_cp)
        self.norm_eval = norm_eval
        self.layer_name = f'layer{stage + 1}'
        self.add_module(self.layer_name, builder.stage(unit, 0, stride, planes=planes, dilation=dilation, style=style,
                                                       dcn=dcn))

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.layer_name)(x)

    def train(self, mode: bool = True) -> 'ResLayer':
        """Set the mode as torch does, but keep batch norms in eval mode with ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            norms_to_eval(self)
        return self

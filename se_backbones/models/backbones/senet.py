"""SENet-154 (SE paper, section 7 and appendix; hujie-frank/SENet, SENet-154.prototxt)."""

from collections.abc import Sequence

from se_backbones.models.backbones.resnet import ResNet
from se_backbones.registry import MODELS

DEPTHS = {154: (3, 8, 36, 3)}


@MODELS.register_module()
class SENet(ResNet):
    """SENet-154: a ResNeXt 64x4d with a deep stem, halved first 1x1 convolutions and 3x3 stride-2 projections.

    Here ``context`` defaults to SE in every block, as the network is named after it; ``context=None`` gives its trunk.
    The dropout before the classifier (0.2 in the paper) belongs to the classifier's config:
    ``neck=[dict(type='GlobalAveragePooling'), dict(type='se_backbones.Dropout', p=0.2)]``.

    Args:
        depth: 154, or a tuple of blocks per stage.
        context: See :class:`ResNet`.
        stem_channels: The three convolutions have ``stem_channels / 2``, the same, and ``stem_channels``; None: twice
            ``base_channels``.
        groups, base_width: 64 groups of 4 where the planes are 64.
        kwargs: See :class:`ResNet`.
    """

    def __init__(self, depth: int | Sequence[int] = 154,
                 context: dict | Sequence[dict] | None = dict(op=dict(type='SqueezeExcite')),  # noqa: B006 read only
                 *, groups: int = 64, base_width: int = 4, stem_channels: int | None = None, base_channels: int = 64,
                 deep_stem: bool = True, stem_pool: str = 'caffe', **kwargs):
        if isinstance(depth, int):
            if depth not in DEPTHS:
                raise ValueError(f'depth must be 154 or a tuple of blocks per stage, got {depth!r}.')
            depth = DEPTHS[depth]
        super().__init__(depth, context, groups=groups, base_width=base_width, base_channels=base_channels,
                         stem_channels=2 * base_channels if stem_channels is None else stem_channels,
                         deep_stem=deep_stem, stem_pool=stem_pool, **kwargs)

    def _widths(self, planes: int, base_channels: int, groups: int, base_width: int | None) -> dict:
        widths = super()._widths(planes, base_channels, groups, base_width)
        return dict(widths, first_width=widths['width'] // 2, projection_kernel=3)

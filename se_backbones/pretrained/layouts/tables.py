"""The layouts by name, and which of them the keys of a checkpoint are in."""

from collections.abc import Collection

from se_backbones.pretrained.errors import LayoutError
from se_backbones.pretrained.layouts import flat, residual
from se_backbones.pretrained.layouts.layout import Layout, most_likely
from se_backbones.pretrained.layouts.ours import Ours
from se_backbones.utils.biases import BEFORE_NORM, into_norms
from se_backbones.utils.validation import did_you_mean

# Where the keys fit several layouts, as those of a plain ResNet do, the first one is taken for theirs.
ALL = (
    Layout('se-backbones', 'a backbone of ours, with head.fc if it has a classifier', {'all': Ours()}),
    Layout('se-backbones-classifier', 'an mmpretrain classifier or mmdet detector with a backbone of ours',
           {'all': Ours('backbone.')}),
    Layout('torchvision', 'torchvision', {**residual.torchvision(), 'vgg': flat.TorchvisionVGG()}),
    Layout('timm', 'timm, and its conversions of Gluon and TF-slim weights',
           {**residual.timm(), 'inception_resnet_v2': flat.TIMM_INCEPTION_RESNET_V2}),
    Layout('timm-legacy', "Cadene, and timm's legacy_* networks", residual.timm_legacy()),
    Layout('mmpretrain', 'a classifier of mmpretrain',
           {**residual.mmpretrain('backbone.'), **flat.mmpretrain('backbone.')}),
    Layout('mmpretrain-backbone', 'a backbone of mmpretrain alone',
           {**residual.mmpretrain(''), **flat.mmpretrain('')}),
    Layout('mmdet-caffe', 'the ResNets under open-mmlab://, with or without biases', residual.torchvision(),
           absorb=into_norms, absorbed=BEFORE_NORM),
)

for _layout in ALL:
    _layout.among = ALL

LAYOUTS = {layout.name: layout for layout in ALL}
LAYOUTS['cadene'] = LAYOUTS['timm-legacy']

# Those of Caffe, whose networks have other tensors and not only other keys.
CAFFE = 'caffe-senet'


def get_layout(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        LayoutError: There is none; the text names all, and the nearest one.
    """
    if name not in LAYOUTS:
        raise LayoutError(f'There is no key layout {name!r}; there are {", ".join(LAYOUTS)}.'
                          f'{did_you_mean(name, LAYOUTS)}')
    return LAYOUTS[name]


def detect(keys: Collection[str]) -> Layout | None:
    """Return the layout that knows most of the keys, the first of several; None: each knows less than half."""
    return most_likely(ALL, keys)

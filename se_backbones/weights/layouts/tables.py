"""The layouts by name."""

from se_backbones.weights.layouts import flat, residual
from se_backbones.weights.layouts.biases import BEFORE_NORM, into_norms
from se_backbones.weights.layouts.layout import Layout
from se_backbones.weights.layouts.ours import Ours

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

LAYOUTS = {layout.name: layout for layout in ALL}
LAYOUTS['cadene'] = LAYOUTS['timm-legacy']

"""SE-ResNet-152, evaluated on ImageNet with published weights.

    se-backbones test configs/pretrained/se-resnet152_in1k.py se-backbones://se_resnet152.cadene/classifier

Reported: 78.66 % top-1, 94.37 % top-5. `se-backbones weights info se_resnet152.cadene` says by whom.
"""
_base_ = '_base_/classifier_in1k.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', depth=152, style='caffe', stem_pool='caffe',
    context=dict(op=dict(type='SqueezeExcite', ratio=16))))
load_from = 'se-backbones://se_resnet152.cadene/classifier'

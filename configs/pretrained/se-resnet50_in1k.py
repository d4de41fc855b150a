"""SE-ResNet-50, evaluated on ImageNet with published weights.

    se-backbones test configs/pretrained/se-resnet50_in1k.py se-backbones://se_resnet50.cadene/classifier

Reported: 77.64 % top-1, 93.75 % top-5. `se-backbones weights info se_resnet50.cadene` says by whom.
"""
_base_ = '_base_/classifier_in1k.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', depth=50, style='caffe', stem_pool='caffe',
    context=dict(op=dict(type='SqueezeExcite', ratio=16))))
load_from = 'se-backbones://se_resnet50.cadene/classifier'

r"""SE-ResNet-50 of mmpretrain (stride in the 3x3), evaluated on ImageNet with published weights.

    se-backbones test configs/pretrained/se-resnet50-mmpretrain_in1k.py \
        se-backbones://se_resnet50.mmpretrain/classifier

Reported: 77.74 % top-1, 93.84 % top-5. `se-backbones weights info se_resnet50.mmpretrain` says by whom.
"""
_base_ = '_base_/classifier_in1k.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', depth=50, context=dict(op=dict(type='SqueezeExcite', ratio=16))))
load_from = 'se-backbones://se_resnet50.mmpretrain/classifier'

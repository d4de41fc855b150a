"""SENet-154, evaluated on ImageNet with published weights.

    se-backbones test configs/pretrained/senet154_in1k.py se-backbones://senet154.timm_legacy/classifier

Reported: 81.31 % top-1, 95.49 % top-5. `se-backbones weights info senet154.timm_legacy` says by whom.
"""
_base_ = '_base_/classifier_in1k.py'

model = dict(
    backbone=dict(type='se_backbones.SENet', depth=154),
    neck=[dict(type='GlobalAveragePooling'), dict(type='se_backbones.Dropout', p=0.2)])
load_from = 'se-backbones://senet154.timm_legacy/classifier'

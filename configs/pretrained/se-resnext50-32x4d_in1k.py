r"""SE-ResNeXt-50 32x4d, evaluated on ImageNet with published weights.

    se-backbones test configs/pretrained/se-resnext50-32x4d_in1k.py \
        se-backbones://se_resnext50_32x4d.timm_legacy/classifier

Reported: 79.08 % top-1, 94.43 % top-5. `se-backbones weights info se_resnext50_32x4d.timm_legacy` says by whom.
"""
_base_ = '_base_/classifier_in1k.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=50, stem_pool='caffe', context=dict(op=dict(type='SqueezeExcite', ratio=16))))
load_from = 'se-backbones://se_resnext50_32x4d.timm_legacy/classifier'

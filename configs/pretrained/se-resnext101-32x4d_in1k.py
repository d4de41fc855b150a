r"""SE-ResNeXt-101 32x4d, evaluated on ImageNet with published weights.

    se-backbones test configs/pretrained/se-resnext101-32x4d_in1k.py \
        se-backbones://se_resnext101_32x4d.timm_legacy/classifier

Reported: 80.23 % top-1, 95.03 % top-5. `se-backbones weights info se_resnext101_32x4d.timm_legacy` says by whom.
"""
_base_ = '_base_/classifier_in1k.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=101, stem_pool='caffe', context=dict(op=dict(type='SqueezeExcite', ratio=16))))
load_from = 'se-backbones://se_resnext101_32x4d.timm_legacy/classifier'

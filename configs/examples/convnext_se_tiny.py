"""A ConvNeXt-T classifier with SE after its blocks."""
_base_ = 'mmpretrain::convnext/convnext-tiny_32xb128_in1k.py'

model = dict(backbone=dict(
    _delete_=True, type='se_backbones.WithContext', backbone=_base_.model.backbone,
    context=dict(op=dict(type='SqueezeExcite', ratio=16), after=r'stages\.\d\.\d')))

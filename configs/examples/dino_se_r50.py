"""DINO with an SE ResNet-50: mmdet's 12-epoch config, whose backbone learns at a tenth of the rate.

    se-backbones train configs/examples/dino_se_r50.py

The gates are new, so that they learn at the full rate: of the keys that a parameter's name holds, the longest wins.
"""
_base_ = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(op=dict(type='SqueezeExcite', ratio=16), stages=(False, True, True, True))))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'.context.': dict(lr_mult=1.0)}))

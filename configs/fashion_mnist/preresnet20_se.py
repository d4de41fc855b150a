"""SE with ratio 16.

    se-backbones train configs/fashion_mnist/preresnet20_se.py
"""
_base_ = './preresnet20_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""SE with ratio 16.

    se-backbones train configs/fashion_mnist/preresnet14_se.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

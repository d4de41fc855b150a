"""SE with ratio 2 (SE Table X).

    se-backbones train configs/fashion_mnist/preresnet14_se_r2.py
"""
_base_ = './preresnet14_se.py'

model = dict(backbone=dict(context=dict(op=dict(ratio=2))))

"""SE before the branch (SE Table XIV).

    se-backbones train configs/fashion_mnist/preresnet14_se_pre.py
"""
_base_ = './preresnet14_se.py'

model = dict(backbone=dict(context=dict(placement='pre')))

"""SE after the first convolution of each unit (SE Table XV).

    se-backbones train configs/fashion_mnist/preresnet14_se_3x3.py
"""
_base_ = './preresnet14_se.py'

model = dict(backbone=dict(context=dict(placement='3x3')))

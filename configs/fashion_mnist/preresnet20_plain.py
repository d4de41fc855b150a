"""Plain pre-activation ResNet-20 of width 16 on Fashion-MNIST.

    se-backbones train configs/fashion_mnist/preresnet20_plain.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(depth=20))

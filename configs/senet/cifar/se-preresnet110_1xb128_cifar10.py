"""SE-ResNet-110 on CIFAR-10.

SE Table IV, row "SE-ResNet-110": 5.21.
GE Table 5, CIFAR-10, row "SE-ResNet-110": 5.21.

    se-backbones train configs/senet/cifar/se-preresnet110_1xb128_cifar10.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = './preresnet110_1xb128_cifar10.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

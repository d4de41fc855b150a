"""SE-ResNet-164 on CIFAR-100.

SE Table V, row "SE-ResNet-164": 21.31.
GE Table 5, CIFAR-100, row "SE-ResNet-164": 21.31.

    se-backbones train configs/senet/cifar/se-preresnet164_1xb128_cifar100.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = './preresnet164_1xb128_cifar100.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

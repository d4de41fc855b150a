"""SE-WRN-16-8 on CIFAR-100.

SE Table V, row "SE-WRN-16-8": 19.14.
GE Table 5, CIFAR-100, row "SE-WRN-16-8": 19.14.

    se-backbones train configs/senet/cifar/se-wrn16-8_1xb128_cifar100.py

Cost: about 1 Titan X x 7 hours (estimate, see the README).
"""
_base_ = './wrn16-8_1xb128_cifar100.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""SE-WRN-16-8 on CIFAR-10.

SE Table IV, row "SE-WRN-16-8": 3.88.
GE Table 5, CIFAR-10, row "SE-WRN-16-8": 3.88.

    se-backbones train configs/senet/cifar/se-wrn16-8_1xb128_cifar10.py

Cost: about 1 Titan X x 7 hours (estimate, see the README).
"""
_base_ = './wrn16-8_1xb128_cifar10.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""GE-theta-minus-ResNet-110 on CIFAR-10, global extent.

GE Table 5, CIFAR-10, row "GE-theta-minus-ResNet-110": 6.01.

    se-backbones train configs/genet/cifar/ge-theta-minus-preresnet110_1xb128_cifar10.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = '../../senet/cifar/preresnet110_1xb128_cifar10.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus'))))

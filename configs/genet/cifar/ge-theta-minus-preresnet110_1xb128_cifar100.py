"""GE-theta-minus-ResNet-110 on CIFAR-100, global extent.

GE Table 5, CIFAR-100, row "GE-theta-minus-ResNet-110": 26.58.

    se-backbones train configs/genet/cifar/ge-theta-minus-preresnet110_1xb128_cifar100.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = '../../senet/cifar/preresnet110_1xb128_cifar100.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus'))))

"""GE-theta-minus-WRN-16-8 on CIFAR-10, global extent.

GE Table 5, CIFAR-10, row "GE-theta-minus-WRN-16-8": 4.12.

    se-backbones train configs/genet/cifar/ge-theta-minus-wrn16-8_1xb128_cifar10.py

Cost: about 1 Titan X x 7 hours (estimate, see the README).
"""
_base_ = '../../senet/cifar/wrn16-8_1xb128_cifar10.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus'))))

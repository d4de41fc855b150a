"""GE-theta-plus-WRN-16-8 on CIFAR-100, global extent.

GE Table 5, CIFAR-100, row "GE-theta-plus-WRN-16-8": 18.87.

    se-backbones train configs/genet/cifar/ge-theta-plus-wrn16-8_1xb128_cifar100.py

Cost: about 1 Titan X x 7 hours (estimate, see the README).
"""
_base_ = '../../senet/cifar/wrn16-8_1xb128_cifar100.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_plus'))))

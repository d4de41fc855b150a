"""GE-theta-plus-ResNet-164 on CIFAR-10, global extent.

GE Table 5, CIFAR-10, row "GE-theta-plus-ResNet-164": 4.07.

    se-backbones train configs/genet/cifar/ge-theta-plus-preresnet164_1xb128_cifar10.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = '../../senet/cifar/preresnet164_1xb128_cifar10.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_plus'))))

"""ResNet-110 on CIFAR-10.

SE Table IV, row "ResNet-110": 6.37.
GE Table 5, CIFAR-10, row "ResNet-110": 6.37.

    se-backbones train configs/senet/cifar/preresnet110_1xb128_cifar10.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/cifar_classifier.py', '../../_base_/datasets/cifar10.py',
    '../../_base_/schedules/cifar_preresnet_64k.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.PreActResNet', depth=110))

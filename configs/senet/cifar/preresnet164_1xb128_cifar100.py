"""ResNet-164 on CIFAR-100.

SE Table V, row "ResNet-164": 24.33.
GE Table 5, CIFAR-100, row "ResNet-164": 24.33.

    se-backbones train configs/senet/cifar/preresnet164_1xb128_cifar100.py

Cost: about 1 Titan X x 1.0 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/cifar_classifier.py', '../../_base_/datasets/cifar100.py',
    '../../_base_/schedules/cifar_preresnet_64k.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.PreActResNet', depth=164), head=dict(num_classes=100, in_channels=256))

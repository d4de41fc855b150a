"""WRN-16-8 on CIFAR-100.

SE Table V, row "WRN-16-8": 20.43.
GE Table 5, CIFAR-100, row "WRN-16-8": 20.43.

    se-backbones train configs/senet/cifar/wrn16-8_1xb128_cifar100.py

Cost: about 1 Titan X x 7 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/cifar_classifier_torch.py', '../../_base_/datasets/cifar100.py',
    '../../_base_/schedules/cifar_wrn_200e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.WideResNet', depth=16, widen_factor=8), head=dict(num_classes=100, in_channels=512))

"""Shake-Even 29 2x4x64d with Cutout on CIFAR-100.

SE Table V, row "Shake-Even 29 2x4x64d + Cutout": 15.85.

    tools/dist_train.sh configs/senet/cifar/shake-even29-2x4x64d_2xb16_cifar100.py 2

Cost: about 2 Titan X x 103 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/cifar_classifier_torch.py', '../../_base_/datasets/cifar100_cutout.py',
    '../../_base_/schedules/cifar_shake_even_1800e.py', '../../_base_/classification_runtime.py',
]

model = dict(
    backbone=dict(type='se_backbones.ShakeShake', depth=29, backward_shake='even'),
    head=dict(num_classes=100, in_channels=1024))

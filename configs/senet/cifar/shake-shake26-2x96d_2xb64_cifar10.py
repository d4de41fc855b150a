"""Shake-Shake 26 2x96d with Cutout on CIFAR-10.

SE Table IV, row "Shake-Shake 26 2x96d + Cutout": 2.56.

    tools/dist_train.sh configs/senet/cifar/shake-shake26-2x96d_2xb64_cifar10.py 2

Cost: about 2 Titan X x 80 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/cifar_classifier_torch.py', '../../_base_/datasets/cifar10_cutout.py',
    '../../_base_/schedules/cifar_shake_1800e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.ShakeShake', depth=26), head=dict(in_channels=384))

"""WRN-16-8 on CIFAR-10.

SE Table IV, row "WRN-16-8": 4.27.
GE Table 5, CIFAR-10, row "WRN-16-8": 4.27.

    se-backbones train configs/senet/cifar/wrn16-8_1xb128_cifar10.py

Cost: about 1 Titan X x 7 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/cifar_classifier_torch.py', '../../_base_/datasets/cifar10.py',
    '../../_base_/schedules/cifar_wrn_200e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.WideResNet', depth=16, widen_factor=8), head=dict(in_channels=512))

"""SE-Shake-Even 29 2x4x64d with Cutout on CIFAR-100.

SE Table V, row "SE-Shake-Even 29 2x4x64d + Cutout": 15.41.

    tools/dist_train.sh configs/senet/cifar/se-shake-even29-2x4x64d_2xb16_cifar100.py 2

Cost: about 2 Titan X x 103 hours (estimate, see the README).
"""
_base_ = './shake-even29-2x4x64d_2xb16_cifar100.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

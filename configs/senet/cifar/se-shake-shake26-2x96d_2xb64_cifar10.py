"""SE-Shake-Shake 26 2x96d with Cutout on CIFAR-10.

SE Table IV, row "SE-Shake-Shake 26 2x96d + Cutout": 2.12.

    tools/dist_train.sh configs/senet/cifar/se-shake-shake26-2x96d_2xb64_cifar10.py 2

Cost: about 2 Titan X x 80 hours (estimate, see the README).
"""
_base_ = './shake-shake26-2x96d_2xb64_cifar10.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

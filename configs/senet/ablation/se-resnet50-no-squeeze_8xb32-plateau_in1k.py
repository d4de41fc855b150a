"""ResNet-50 with the excitation at every position, without a squeeze.

SE Table XVI, row "NoSqueeze": 22.93 / 6.39.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-no-squeeze_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(squeeze='none'))))

"""ResNet-50 with SE after the 3x3 convolutions.

SE Table XV, row "SE_3x3": 22.48 / 6.02.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-3x3_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(placement='3x3')))

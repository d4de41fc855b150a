"""SE-ResNet-50 with max pooling as the squeeze.

SE Table XI, row "Max": 22.57 / 6.09.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-max_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(squeeze='max'))))

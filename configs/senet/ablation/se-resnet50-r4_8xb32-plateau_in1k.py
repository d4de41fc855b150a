"""SE-ResNet-50 with reduction ratio 4.

SE Table X, row "r = 4": 22.25 / 6.09.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-r4_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(ratio=4))))

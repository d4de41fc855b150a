"""SE-ResNet-50 with reduction ratio 32.

SE Table X, row "r = 32": 22.72 / 6.20.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-r32_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(ratio=32))))

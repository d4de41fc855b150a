"""SE-ResNet-50 with a ReLU gate.

SE Table XII, row "ReLU": 23.47 / 6.98.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-relu_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(gate='relu'))))

"""SE-ResNet-50 with a tanh gate.

SE Table XII, row "Tanh": 23.00 / 6.38.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-tanh_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(gate='tanh'))))

"""SE-ResNet-50 of the SE paper's ablations: no biases in the SE layers.

SE Table X, row "r = 16": 22.28 / 6.03.
SE Table XI, row "Avg": 22.28 / 6.03.
SE Table XII, row "Sigmoid": 22.28 / 6.03.
SE Table XIII, row "SE_All": 22.28 / 6.03.
SE Table XIV, row "SE": 22.28 / 6.03.
SE Table XV, row "SE": 22.28 / 6.03.
SE Table XVI, row "SE": 22.28 / 6.03.

    tools/dist_train.sh configs/senet/ablation/se-resnet50_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16, bias=False))))

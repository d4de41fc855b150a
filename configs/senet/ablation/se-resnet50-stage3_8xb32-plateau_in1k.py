"""ResNet-50 with SE blocks in stage 3 (conv3_x) alone.

SE Table XIII, row "SE_Stage_3": 23.04 / 6.32.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-stage3_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(stages=(False, True, False, False))))

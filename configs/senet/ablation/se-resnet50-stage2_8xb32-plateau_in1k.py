"""ResNet-50 with SE blocks in stage 2 (conv2_x) alone.

SE Table XIII, row "SE_Stage_2": 23.03 / 6.48.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-stage2_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(stages=(True, False, False, False))))

"""ResNet-50 with SE blocks in stage 4 (conv4_x) alone.

SE Table XIII, row "SE_Stage_4": 22.68 / 6.22.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-stage4_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(stages=(False, False, True, False))))

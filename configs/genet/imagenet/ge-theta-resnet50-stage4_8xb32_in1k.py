"""GE-theta-ResNet-50 with operators in stage 4 (conv4_x) alone.

GE Table 1, row "stage4": 22.50 / 6.20.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-resnet50-stage4_8xb32_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta'), stages=(False, False, True, False))))

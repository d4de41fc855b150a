"""GE-theta-plus-ResNet-50, global extent.

GE Table 2, row "GE-theta-plus": 21.88 / 5.80.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-plus-resnet50_8xb32_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_plus'))))

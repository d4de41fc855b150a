"""GE-theta-plus-ResNet-101, global extent.

GE Table 3, row "GE-theta-plus": 20.74 / 5.29.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-plus-resnet101_8xb32_in1k.py 8

Cost: about 8 Titan X x 171 hours (estimate, see the README).
"""
_base_ = './resnet101_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_plus'))))

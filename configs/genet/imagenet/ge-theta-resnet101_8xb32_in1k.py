"""GE-theta-ResNet-101, global extent.

GE Table 3, row "GE-theta": 21.46 / 5.45.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-resnet101_8xb32_in1k.py 8

Cost: about 8 Titan X x 171 hours (estimate, see the README).
"""
_base_ = './resnet101_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta'))))

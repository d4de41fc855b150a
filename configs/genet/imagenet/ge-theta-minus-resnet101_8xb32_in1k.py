"""GE-theta-minus-ResNet-101, global extent.

GE Table 3, row "GE-theta-minus": 21.47 / 5.69.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-minus-resnet101_8xb32_in1k.py 8

Cost: about 8 Titan X x 171 hours (estimate, see the README).
"""
_base_ = './resnet101_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus'))))

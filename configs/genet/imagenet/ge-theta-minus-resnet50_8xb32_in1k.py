"""GE-theta-minus-ResNet-50, global extent.

GE Figure 2, row "GE-theta-minus (global)": 22.14 / 6.24.
GE Table 2, row "GE-theta-minus": 22.14 / 6.24.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-minus-resnet50_8xb32_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus'))))

"""GE-theta-ResNet-50, 100 epochs.

GE Figure 4, row "GE-theta" (no number is printed).

    tools/dist_train.sh configs/genet/imagenet/ge-theta-resnet50_8xb32-100e_in1k.py 8

Cost: about 8 Titan X x 29 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32-100e_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta'))))

"""GE-theta-ResNet-50, extent 4.

GE Figure 2, row "GE-theta (E4)" (no number is printed).

    tools/dist_train.sh configs/genet/imagenet/ge-theta-e4-resnet50_8xb32_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=4))))

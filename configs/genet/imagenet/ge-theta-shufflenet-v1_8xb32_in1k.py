"""GE-theta-ShuffleNet, global extent.

GE Table 4, row "GE-theta": 31.80 / 11.98.

In units of stride 2 the operator sits on all channels, which gives the printed parameters.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-shufflenet-v1_8xb32_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = ['./shufflenet-v1_8xb32_in1k.py']

model = dict(backbone=dict(
    context_on='output', context=dict(op=dict(type='GatherExcite', variant='theta'))))

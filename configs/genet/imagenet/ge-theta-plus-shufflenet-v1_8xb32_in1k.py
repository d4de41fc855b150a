"""GE-theta-plus-ShuffleNet, global extent.

GE Table 4, row "GE-theta-plus": 30.12 / 10.70.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-plus-shufflenet-v1_8xb32_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = './ge-theta-shufflenet-v1_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(variant='theta_plus'))))

"""GE-theta-ShuffleNet, extent 4.

GE Table 4, row "GE-theta (E4)": 32.32 / 12.24.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-e4-shufflenet-v1_8xb32_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = './ge-theta-shufflenet-v1_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(extent=4))))

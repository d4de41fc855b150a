"""GE-theta-ShuffleNet, extent 8.

GE Table 4, row "GE-theta (E8)": 32.12 / 12.11.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-e8-shufflenet-v1_8xb32_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = './ge-theta-shufflenet-v1_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(extent=8))))

"""SE-ShuffleNet of the GE paper.

GE Table 4, row "SE": 31.24 / 11.38.

    tools/dist_train.sh configs/genet/imagenet/se-shufflenet-v1_8xb32_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = './shufflenet-v1_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

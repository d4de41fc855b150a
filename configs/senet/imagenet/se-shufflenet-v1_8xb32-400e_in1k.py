"""SE-ShuffleNet on ImageNet.

SE Table III, row "SE-ShuffleNet": 31.0 / 11.1.

    tools/dist_train.sh configs/senet/imagenet/se-shufflenet-v1_8xb32-400e_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = './shufflenet-v1_8xb32-400e_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

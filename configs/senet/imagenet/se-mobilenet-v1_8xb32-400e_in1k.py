"""SE-MobileNet on ImageNet.

SE Table III, row "SE-MobileNet": 25.3 / 7.7.

    tools/dist_train.sh configs/senet/imagenet/se-mobilenet-v1_8xb32-400e_in1k.py 8

Cost: about 8 Titan X x 17 hours (estimate, see the README).
"""
_base_ = './mobilenet-v1_8xb32-400e_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

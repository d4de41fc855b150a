"""SE-BN-Inception on ImageNet.

SE Table II, row "SE-BN-Inception": 24.23 / 7.14.

    tools/dist_train.sh configs/senet/imagenet/se-bn-inception_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 15 hours (estimate, see the README).
"""
_base_ = './bn-inception_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""SE-ResNeXt-50 on ImageNet.

SE Table II, row "SE-ResNeXt-50": 21.10 / 5.49.

    tools/dist_train.sh configs/senet/imagenet/se-resnext50-32x4d_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 32 hours (estimate, see the README).
"""
_base_ = './resnext50-32x4d_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""SE-ResNet-101 on ImageNet.

SE Table II, row "SE-ResNet-101": 22.38 / 6.07.

    tools/dist_train.sh configs/senet/imagenet/se-resnet101_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 57 hours (estimate, see the README).
"""
_base_ = './resnet101_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

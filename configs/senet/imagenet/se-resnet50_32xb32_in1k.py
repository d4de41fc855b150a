"""SE-ResNet-50 on ImageNet.

SE Table II, row "SE-ResNet-50": 23.29 / 6.62.

    tools/dist_train.sh configs/senet/imagenet/se-resnet50_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 29 hours (estimate, see the README).
"""
_base_ = './resnet50_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

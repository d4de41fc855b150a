"""SE-ResNet-152 on ImageNet.

SE Table II, row "SE-ResNet-152": 21.57 / 5.73.

    tools/dist_train.sh configs/senet/imagenet/se-resnet152_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 85 hours (estimate, see the README).
"""
_base_ = './resnet152_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

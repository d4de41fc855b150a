"""SE-VGG-16 on ImageNet.

SE Table II, row "SE-VGG-16": 25.22 / 7.70.

    tools/dist_train.sh configs/senet/imagenet/se-vgg16-bn_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 116 hours (estimate, see the README).
"""
_base_ = './vgg16-bn_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

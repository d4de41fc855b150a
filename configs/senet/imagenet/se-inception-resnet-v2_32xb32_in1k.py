"""SE-Inception-ResNet-v2 on ImageNet.

SE Table II, row "SE-Inception-ResNet-v2": 19.80 / 4.79.

    tools/dist_train.sh configs/senet/imagenet/se-inception-resnet-v2_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 88 hours (estimate, see the README).
"""
_base_ = './inception-resnet-v2_32xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

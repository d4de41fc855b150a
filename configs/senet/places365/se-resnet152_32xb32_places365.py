"""SE-ResNet-152 on Places365-Challenge.

SE Table VI, row "SE-ResNet-152": 40.37 / 11.01.

    tools/dist_train.sh configs/senet/places365/se-resnet152_32xb32_places365.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 85 hours (estimate, see the README).
"""
_base_ = './resnet152_32xb32_places365.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

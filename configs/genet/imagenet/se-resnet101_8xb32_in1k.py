"""SE-ResNet-101 of the GE paper.

GE Table 3, row "SE": 20.94 / 5.50.

    tools/dist_train.sh configs/genet/imagenet/se-resnet101_8xb32_in1k.py 8

Cost: about 8 Titan X x 171 hours (estimate, see the README).
"""
_base_ = './resnet101_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""SE-ResNet-50 of the GE paper.

GE Table 2, row "SE": 22.12 / 5.99.

    tools/dist_train.sh configs/genet/imagenet/se-resnet50_8xb32_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

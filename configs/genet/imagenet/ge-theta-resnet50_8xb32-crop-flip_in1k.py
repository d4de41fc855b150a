"""GE-theta-ResNet-50, global extent, with crop and mirror alone.

GE section 3, other augmentation, row "GE-theta": 22.00 / 5.87.

    tools/dist_train.sh configs/genet/imagenet/ge-theta-resnet50_8xb32-crop-flip_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32-crop-flip_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta'))))

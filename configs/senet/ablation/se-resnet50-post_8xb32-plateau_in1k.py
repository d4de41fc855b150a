"""SE-POST-ResNet-50.

SE Table XIV, row "SE-POST": 22.78 / 6.35.

    tools/dist_train.sh configs/senet/ablation/se-resnet50-post_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './se-resnet50_8xb32-plateau_in1k.py'

model = dict(backbone=dict(context=dict(placement='post')))

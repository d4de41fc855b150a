"""MobileNet on ImageNet.

SE Table III, row "MobileNet": 28.4 / 9.4.

    tools/dist_train.sh configs/senet/imagenet/mobilenet-v1_8xb32-400e_in1k.py 8

Cost: about 8 Titan X x 17 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224_mobile.py',
    '../../_base_/schedules/imagenet_plateau_400e_mobile.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.MobileNetV1'), head=dict(in_channels=1024))

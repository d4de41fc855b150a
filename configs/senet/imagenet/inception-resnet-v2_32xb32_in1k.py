"""Inception-ResNet-v2 on ImageNet.

SE Table II, row "Inception-ResNet-v2": 20.37 / 5.21.

The block counts are those of the public releases; the paper does not state its own.

    tools/dist_train.sh configs/senet/imagenet/inception-resnet-v2_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 88 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_299.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.InceptionResNetV2'), head=dict(in_channels=1536))

"""BN-Inception on ImageNet.

SE Table II, row "BN-Inception": 25.38 / 7.89.

    tools/dist_train.sh configs/senet/imagenet/bn-inception_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 15 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(type='se_backbones.BNInception'), head=dict(in_channels=1024))

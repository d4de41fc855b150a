"""ShuffleNet on ImageNet.

SE Table III, row "ShuffleNet": 32.6 / 12.5.

    tools/dist_train.sh configs/senet/imagenet/shufflenet-v1_8xb32-400e_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224_mobile.py',
    '../../_base_/schedules/imagenet_plateau_400e_mobile.py', '../../_base_/classification_runtime.py',
]

model = dict(
    backbone=dict(type='se_backbones.ShuffleNetV1', groups=3, bottleneck='branch'), head=dict(in_channels=960))

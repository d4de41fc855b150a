"""ShuffleNet of the GE paper.

GE Table 4, row "ShuffleNet": 32.60 / 12.40.

    tools/dist_train.sh configs/genet/imagenet/shufflenet-v1_8xb32_in1k.py 8

Cost: about 8 Titan X x 4 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224_mobile.py',
    '../../_base_/schedules/imagenet_plateau_400e_mobile_ge.py', '../../_base_/classification_runtime.py',
]

model = dict(
    backbone=dict(type='se_backbones.ShuffleNetV1', groups=3, bottleneck='output'), head=dict(in_channels=960))

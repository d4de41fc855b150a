"""ResNet-50 of the SE paper's ablations.

SE Table X, row "original": 23.30 / 6.55.
SE Table XIII, row "ResNet-50": 23.30 / 6.55.
SE Table XVI, row "ResNet-50": 23.30 / 6.55.

    tools/dist_train.sh configs/senet/ablation/resnet50_8xb32-plateau_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/resnet50_classifier_smooth.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_plateau_300e.py', '../../_base_/classification_runtime.py',
]

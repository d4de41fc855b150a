"""ResNet-50 of the GE paper.

GE Figure 2, row "ResNet-50": 23.30 / 6.55.
GE Table 1, row "baseline": 23.30 / 6.55.
GE Table 2, row "ResNet-50 (baseline)": 23.30 / 6.55.

    tools/dist_train.sh configs/genet/imagenet/resnet50_8xb32_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/ge_resnet50_classifier.py', '../../_base_/datasets/imagenet_224_jitter.py',
    '../../_base_/schedules/imagenet_plateau_300e_ge.py', '../../_base_/classification_runtime.py',
]

"""ResNet-50 of the GE paper, with crop and mirror alone.

GE section 3, other augmentation, row "ResNet-50 (baseline)": 23.30 / 6.55.

The README of the GENet repository names the SENet repository's table (rotation, jitter), as resnet50_8xb32_in1k.py has
it. The SE paper prints the same baseline in section 6, with the augmentation of its section 5.1, as this file has it:
one of the two must be wrong about that run.

    tools/dist_train.sh configs/genet/imagenet/resnet50_8xb32-crop-flip_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/ge_resnet50_classifier.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_plateau_300e_ge.py', '../../_base_/classification_runtime.py',
]

"""ResNet-50 of the SE paper's ablations, with the augmentation of the authors' repository.

SE section 6, other augmentation, row "ResNet-50": 23.30 / 6.55.

Section 6 names the augmentation of section 5.1 (crop and mirror), as resnet50_8xb32-plateau_in1k.py has it. The GE paper
prints the same baseline, and its README names the repository's table (rotation, jitter), as this file has it: one of
the two must be wrong about that run.

    tools/dist_train.sh configs/senet/ablation/resnet50_8xb32-plateau-jitter_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/resnet50_classifier_smooth.py', '../../_base_/datasets/imagenet_224_jitter.py',
    '../../_base_/schedules/imagenet_plateau_300e.py', '../../_base_/classification_runtime.py',
]

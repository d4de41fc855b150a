"""ResNet-152 of the GE paper.

GE Table 3, row "ResNet-152": 21.87 / 5.78.

    tools/dist_train.sh configs/genet/imagenet/resnet152_8xb32_in1k.py 8

Cost: about 8 Titan X x 254 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/ge_resnet50_classifier.py', '../../_base_/datasets/imagenet_224_jitter.py',
    '../../_base_/schedules/imagenet_plateau_300e_ge.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(depth=152))

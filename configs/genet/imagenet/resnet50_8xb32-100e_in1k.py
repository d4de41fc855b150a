"""ResNet-50 of the GE paper, 100 epochs.

GE Figure 4, row "ResNet-50" (no number is printed).

    tools/dist_train.sh configs/genet/imagenet/resnet50_8xb32-100e_in1k.py 8

Cost: about 8 Titan X x 29 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/ge_resnet50_classifier.py', '../../_base_/datasets/imagenet_224_jitter.py',
    '../../_base_/schedules/imagenet_step_100e_ge.py', '../../_base_/classification_runtime.py',
]

"""ResNet-50, 270 epochs.

SE section 6, footnote, row "ResNet-50": 23.21 / 6.53.

    tools/dist_train.sh configs/senet/ablation/resnet50_8xb32-270e_in1k.py 8

Cost: about 8 Titan X x 78 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/resnet50_classifier_smooth.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_step_270e.py', '../../_base_/classification_runtime.py',
]

"""ResNet-50 on ImageNet.

SE Table II, row "ResNet-50": 24.80 / 7.48.

    tools/dist_train.sh configs/senet/imagenet/resnet50_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 29 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/resnet50_classifier.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

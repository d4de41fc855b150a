"""VGG-16 on ImageNet.

SE Table II, row "VGG-16": 27.02 / 8.81.

Inferred: dropout 0.5 in the head, as in the original network.

    tools/dist_train.sh configs/senet/imagenet/vgg16-bn_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 116 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

model = dict(
    # The scores come from the backbone's own fully connected layers.
    backbone=dict(
        type='se_backbones.VGG', depth=16, num_classes=1000,
        init_cfg=[*_base_.model.backbone.init_cfg, dict(type='Normal', std=0.01, layer='Linear')]),
    neck=None,
    head=dict(_delete_=True, type='ClsHead', loss=dict(type='CrossEntropyLoss')))

"""ResNet-152 on Places365-Challenge.

SE Table VI, row "ResNet-152": 41.15 / 11.61.

Section 5.2 refers to the protocols of others, for sampling and tests: _base_/datasets/places365.py. Inferred: the rest of
the ImageNet recipe and its number of iterations.

    tools/dist_train.sh configs/senet/places365/resnet152_32xb32_places365.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 85 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/resnet50_classifier.py', '../../_base_/datasets/places365.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(depth=152), head=dict(num_classes=365))
# As many iterations as on ImageNet: the 100 epochs there are 16 of these 8 million images.
train_cfg = dict(max_epochs=16)
param_scheduler = dict(milestones=[5, 10, 15])

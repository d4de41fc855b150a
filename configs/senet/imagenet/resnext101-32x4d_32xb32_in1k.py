"""ResNeXt-101 on ImageNet.

SE Table II, row "ResNeXt-101": 21.18 / 5.57.

    tools/dist_train.sh configs/senet/imagenet/resnext101-32x4d_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 60 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=101, stem_pool='caffe', zero_init_residual=False))

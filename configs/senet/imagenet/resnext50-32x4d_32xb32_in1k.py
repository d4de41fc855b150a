"""ResNeXt-50 on ImageNet.

SE Table II, row "ResNeXt-50": 22.11 / 5.90.

    tools/dist_train.sh configs/senet/imagenet/resnext50-32x4d_32xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=4

Cost: about 8 Titan X x 32 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/classifier.py', '../../_base_/datasets/imagenet_224.py',
    '../../_base_/schedules/imagenet_step_100e.py', '../../_base_/classification_runtime.py',
]

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=50, stem_pool='caffe', zero_init_residual=False))

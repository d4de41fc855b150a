"""Faster R-CNN, SE-ResNeXt-50 32x4d with published ImageNet weights, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_se-resnext50-32x4d_fpn_1x_coco.py 8

The operators came with the weights: they follow the frozen stage and the batch norms in eval mode.
Cost: about 8 GPUs x 15 hours (estimate: mmdet's ResNet-50 run, grouped convolutions).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=50, groups=32, base_width=4, stem_pool='caffe',
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='se-backbones://se_resnext50_32x4d.timm_legacy')))

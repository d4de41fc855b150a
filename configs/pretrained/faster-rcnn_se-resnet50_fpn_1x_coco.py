"""Faster R-CNN, SE-ResNet-50 with published ImageNet weights, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_se-resnet50_fpn_1x_coco.py 8

The operators came with the weights: they follow the frozen stage and the batch norms in eval mode.
Cost: about 8 GPUs x half a day, as mmdet's ResNet-50 (estimate).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', depth=50, style='caffe', stem_pool='caffe',
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='se-backbones://se_resnet50.cadene')))

"""Panoptic FPN, SE ResNet-50, COCO 2017 panoptic, 12 epochs.

    tools/dist_train.sh configs/segmentation/panoptic_fpn_se_r50_coco.py 8

Cost: 8 GPUs x 16 hours (estimate: half a day for the boxes, as mmdet's Faster R-CNN, masks and labels).
"""
_base_ = 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(op=dict(type='SqueezeExcite', ratio=16), stages=(False, True, True, True))))

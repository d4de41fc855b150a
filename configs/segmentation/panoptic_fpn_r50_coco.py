"""Panoptic FPN, plain ResNet-50, COCO 2017 panoptic, 12 epochs.

The baseline of panoptic_fpn_{se,ge}_r50_coco.py. It is mmdet's own config on our ResNet, the same network;
mmdet reports PQ 40.2.

    tools/dist_train.sh configs/segmentation/panoptic_fpn_r50_coco.py 8

Cost: 8 GPUs x 16 hours (estimate: half a day for the boxes, as mmdet's Faster R-CNN, masks and labels).
"""
_base_ = 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(type='se_backbones.ResNet'))

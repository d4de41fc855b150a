"""Mask R-CNN, plain ResNet-50, FPN, COCO 2017, 12 epochs.

The baseline of mask_rcnn_{se,ge}_r50_coco.py. It is mmdet's own config on our ResNet, the same network;
mmdet reports box AP 38.2, mask AP 34.7.

    tools/dist_train.sh configs/segmentation/mask_rcnn_r50_coco.py 8

Cost: 8 GPUs x 14 hours (estimate: half a day for the boxes, as mmdet's Faster R-CNN, and the masks).
"""
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(type='se_backbones.ResNet'))

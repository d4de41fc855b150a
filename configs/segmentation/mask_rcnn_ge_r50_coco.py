"""Mask R-CNN, GE (theta, extent 8) ResNet-50, FPN, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/segmentation/mask_rcnn_ge_r50_coco.py 8

Cost: 8 GPUs x 14 hours (estimate: half a day for the boxes, as mmdet's Faster R-CNN, and the masks).
"""
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(op=dict(type='GatherExcite', variant='theta', extent=8), stages=(False, True, True, True))))
# Each GPU's gather norms see other images; without this the statistics drift apart and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

"""Panoptic FPN, GE (theta, extent 8) ResNet-50, COCO 2017 panoptic, 12 epochs.

    tools/dist_train.sh configs/segmentation/panoptic_fpn_ge_r50_coco.py 8

Cost: 8 GPUs x 16 hours (estimate: half a day for the boxes, as mmdet's Faster R-CNN, masks and labels).
"""
_base_ = 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(
        # Two images are few for a batch norm's statistics: docs/scaling.md.
        op=dict(type='GatherExcite', variant='theta', extent=8, norm_cfg=dict(type='GN', num_groups=32)),
        stages=(False, True, True, True))))
# For batch norms in its place: without this their statistics drift apart between GPUs, and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

"""Mask R-CNN with a GE (theta, extent 4) ResNet-50."""
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(op=dict(type='GatherExcite', variant='theta', extent=4), stages=(False, True, True, True))))
# Each GPU's gather norms see other images; without this the statistics drift apart and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

"""Mask R-CNN with a GE (theta, extent 4) ResNet-50."""
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(
        # Two images are few for a batch norm's statistics: docs/scaling.md.
        op=dict(type='GatherExcite', variant='theta', extent=4, norm_cfg=dict(type='GN', num_groups=32)),
        stages=(False, True, True, True))))
# For batch norms in its place: without this their statistics drift apart between GPUs, and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

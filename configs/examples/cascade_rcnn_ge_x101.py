"""Cascade R-CNN with a GE (theta-plus, extent 8) ResNeXt-101 32x4d."""
_base_ = 'mmdet::cascade_rcnn/cascade-rcnn_x101-32x4d_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt',
    context=dict(
        # Two images are few for a batch norm's statistics: docs/scaling.md.
        op=dict(type='GatherExcite', variant='theta_plus', extent=8, norm_cfg=dict(type='GN', num_groups=32)),
        stages=(False, True, True, True))))
# For batch norms in its place: without this their statistics drift apart between GPUs, and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

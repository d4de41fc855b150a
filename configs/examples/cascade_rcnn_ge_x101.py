"""Cascade R-CNN with a GE (theta-plus, extent 8) ResNeXt-101 32x4d."""
_base_ = 'mmdet::cascade_rcnn/cascade-rcnn_x101-32x4d_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt',
    context=dict(op=dict(type='GatherExcite', variant='theta_plus', extent=8), stages=(False, True, True, True))))
# Each GPU's gather norms see other images; without this the statistics drift apart and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

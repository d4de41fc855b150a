"""RTMDet-tiny with Gather-Excite after the stages of CSPNeXt; its own ImageNet weights load as usual."""
_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'

model = dict(backbone=dict(
    _delete_=True, type='se_backbones.WithContext', backbone=_base_.model.backbone,
    context=dict(op=dict(type='GatherExcite', variant='theta', extent=8), after=r'stage[234]')))

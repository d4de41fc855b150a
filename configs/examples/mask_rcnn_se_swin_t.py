"""Mask R-CNN with SE after each block of Swin-T: a gate for each channel of the token sequence."""
_base_ = 'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py'

model = dict(backbone=dict(
    _delete_=True, type='se_backbones.WithContext', backbone=_base_.model.backbone,
    context=dict(op=dict(type='SqueezeExcite', ratio=16), after=r'stages\.[123]\.blocks\.\d')))

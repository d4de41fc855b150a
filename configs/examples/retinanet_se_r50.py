"""RetinaNet with an SE ResNet-50: any mmdet config is inherited by changing `type` and adding `context`."""
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(op=dict(type='SqueezeExcite'), stages=(False, True, True, True))))

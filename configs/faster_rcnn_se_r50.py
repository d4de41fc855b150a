"""Faster R-CNN, Squeeze-and-Excitation ResNet-50, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/faster_rcnn_se_r50.py 8

Starts from plain ImageNet weights by exact insertion, as faster_rcnn_ge_r50.py, with operators in the stages that train.
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(op=dict(type='SqueezeExcite', ratio=16), stages=(False, True, True, True))))

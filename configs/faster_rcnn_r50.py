"""Faster R-CNN, plain ResNet-50, FPN, RoIAlign, COCO 2017, 12 epochs: the baseline of faster_rcnn_{se,ge}_r50.py.

mmdet's own config on our ResNet, which is the same network: mmdet reports box AP 37.4.

    tools/dist_train.sh configs/faster_rcnn_r50.py 8
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(type='se_backbones.ResNet'))

"""Faster R-CNN C4, plain ResNet-50 (stride in the 1x1, frozen norms), COCO 2017: the baseline of the C4 configs.

mmdet's own config on our ResNet and shared head, which are the same network: mmdet reports box AP 35.6.

    tools/dist_train.sh configs/faster_rcnn_r50_c4.py 8
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py'

model = dict(
    backbone=dict(type='se_backbones.ResNet'),
    roi_head=dict(shared_head=dict(type='se_backbones.ResLayer')))

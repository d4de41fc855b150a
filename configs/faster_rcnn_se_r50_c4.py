"""Faster R-CNN C4, Squeeze-and-Excitation ResNet-50, COCO 2017; the SE counterpart of faster_rcnn_ge_r50_c4.py.

    tools/dist_train.sh configs/faster_rcnn_se_r50_c4.py 8
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py'

op = dict(type='SqueezeExcite', ratio=16)
model = dict(
    backbone=dict(type='se_backbones.ResNet', context=dict(op=op, stages=(False, True, True))),
    roi_head=dict(shared_head=dict(type='se_backbones.ResLayer', context=dict(op=op))))

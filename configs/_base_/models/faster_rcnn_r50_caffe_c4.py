"""Faster R-CNN on conv4_x as in the ResNet paper, conv5_x as the shared head, RoIAlign: the GE paper's detector.

The images are normalised as in the ImageNet configs, from whose runs both parts start.
"""
_base_ = 'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py'

model = dict(
    data_preprocessor=dict(mean=[104, 117, 123], std=[1, 1, 1]),
    backbone=dict(
        type='se_backbones.ResNet', stem_pool='caffe',
        init_cfg=dict(type='se_backbones.Pretrained', prefix='backbone.')),
    roi_head=dict(shared_head=dict(
        type='se_backbones.ResLayer', init_cfg=dict(type='se_backbones.Pretrained', prefix='backbone.'))))

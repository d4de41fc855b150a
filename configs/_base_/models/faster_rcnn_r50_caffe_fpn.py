"""Faster R-CNN with FPN as in Detectron: our ResNet-50 in Caffe's style, frozen norms, RoIAlign of 2x2 samples.

The images are normalised as in the ImageNet configs of the SE paper, from whose runs the backbones start.
"""
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    data_preprocessor=dict(mean=[104, 117, 123], std=[1, 1, 1], bgr_to_rgb=False),
    backbone=dict(
        type='se_backbones.ResNet', style='caffe', stem_pool='caffe', norm_cfg=dict(requires_grad=False),
        init_cfg=dict(type='se_backbones.Pretrained', prefix='backbone.')),
    roi_head=dict(bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2))))

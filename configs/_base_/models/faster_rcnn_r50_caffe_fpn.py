"""Faster R-CNN with FPN as in Detectron, to which the SE paper refers ([76]), on our ResNet-50 in Caffe's style.

From Detectron's e2e_faster_rcnn_R-50-FPN_2x.yaml and its defaults: norms and the first stage frozen, RoIAlign of 2x2
samples, smooth L1 (beta 1/9 in the RPN, 1 in the head), no anchors that cross the image's border, 512 RoIs of an image.
What differs, all of it mmdet's: boxes are not a pixel wider than their corners say, and RoIAlign is moved by the half
pixel that goes with it; 1,000 proposals of each image in training, where Detectron keeps the best 2,000 of a GPU's two
images together; the best anchor of an object is positive from an IoU of 0.3 on, where Detectron has no floor.
The images are normalised as in the ImageNet configs of the SE paper, from whose runs the backbones start.
"""
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    data_preprocessor=dict(mean=[104, 117, 123], std=[1, 1, 1], bgr_to_rgb=False),
    backbone=dict(
        type='se_backbones.ResNet', style='caffe', stem_pool='caffe', norm_cfg=dict(requires_grad=False),
        init_cfg=dict(type='se_backbones.Pretrained', prefix='backbone.')),
    rpn_head=dict(loss_bbox=dict(type='SmoothL1Loss', beta=1 / 9)),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(loss_bbox=dict(type='SmoothL1Loss', beta=1.0))),
    train_cfg=dict(rpn=dict(allowed_border=0)))

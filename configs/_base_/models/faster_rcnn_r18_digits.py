"""Faster R-CNN at 128 px: a ResNet-18 of half the width, FPN and heads to match; trains from scratch on a CPU."""
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    backbone=dict(
        _delete_=True, type='se_backbones.ResNet', depth=18, base_channels=32, out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(
        in_channels=64, feat_channels=64,
        # Digits are 28 to 60 px high: anchors of 24, 48 and 96 px on strides 4, 8 and 16 and larger.
        anchor_generator=dict(scales=[6]),
        loss_bbox=dict(loss_weight=2.0)),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(
            in_channels=64, fc_out_channels=256, num_classes=10,
            # A thousand scenes teach one box regressor better than ten.
            reg_class_agnostic=True, loss_bbox=dict(loss_weight=2.0))),
    # 128 px scenes hold a handful of digits; the numbers for COCO only cost time here.
    train_cfg=dict(rpn_proposal=dict(nms_pre=200, max_per_img=100), rcnn=dict(sampler=dict(num=64, pos_fraction=0.5))),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100), rcnn=dict(max_per_img=50)))

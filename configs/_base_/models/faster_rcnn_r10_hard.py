"""The small Faster R-CNN once more at half its width and with one block in each stage, for the hard scenes."""
_base_ = './faster_rcnn_r18_digits.py'

model = dict(
    backbone=dict(depth=(1, 1, 1, 1), block='basic', base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    rpn_head=dict(
        in_channels=32, feat_channels=32,
        # Digits are 22 to 44 px high: anchors of 16, 32 and 64 px on strides 4, 8 and 16.
        anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=32),
        bbox_head=dict(in_channels=32, fc_out_channels=128)))

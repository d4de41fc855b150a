"""A small Faster R-CNN for tree crowns, tiles of 160 px."""
_base_ = './faster_rcnn_r18_digits.py'

model = dict(
    # One class needs half of the channels, and a training of minutes cannot have more.
    neck=dict(out_channels=32),
    rpn_head=dict(
        in_channels=32, feat_channels=32,
        # Half of the crowns are 27 to 47 px wide: anchors of 16, 32, 64 and 128 px.
        anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=32),
        bbox_head=dict(in_channels=32, fc_out_channels=128, num_classes=1)),
    # Crowns that the edge of a tile cuts to less than half are neither objects nor ground. A tile has four others or so.
    train_cfg=dict(
        rpn=dict(assigner=dict(ignore_iof_thr=0.5)),
        rcnn=dict(assigner=dict(ignore_iof_thr=0.5), sampler=dict(num=32))))

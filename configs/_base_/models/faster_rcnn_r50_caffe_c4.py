"""Faster R-CNN on conv4_x, with conv5_x as the shared head and RoIAlign: the GE paper's detector (section 3.3).

The paper refers to the ResNet paper (arXiv 1512.03385) for all but RoIAlign, that one's appendix A to Faster R-CNN
(arXiv 1506.01497), and that to Fast R-CNN (arXiv 1504.08083). From these: all norms fixed; anchors of 64 to 512 pixels
in three ratios, none that crosses the border, 256 of an image; 2,000 proposals in training, 300 in tests; smooth L1.
Inferred: 128 RoIs of each image (Fast R-CNN has 64 of each, in a step of its own on 16 images: 1,024 in either case);
maps of 14x14 before conv5_1; the first stage frozen; NMS at 0.3, the value of R-CNN, which the ResNet paper names once.
Of mmdet: boxes and RoIAlign without the pixel that was added in 2015, a floor of 0.3 under an object's best anchor.
The images are normalised as in the ImageNet configs, from whose runs both parts start.
"""
_base_ = 'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py'

model = dict(
    data_preprocessor=dict(mean=[104, 117, 123], std=[1, 1, 1]),
    backbone=dict(
        type='se_backbones.ResNet', stem_pool='caffe',
        init_cfg=dict(type='se_backbones.Pretrained', prefix='backbone.')),
    rpn_head=dict(
        anchor_generator=dict(scales=[4, 8, 16, 32]),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0)),
    roi_head=dict(
        shared_head=dict(
            type='se_backbones.ResLayer', init_cfg=dict(type='se_backbones.Pretrained', prefix='backbone.')),
        bbox_head=dict(loss_bbox=dict(type='SmoothL1Loss', beta=1.0))),
    train_cfg=dict(rpn=dict(allowed_border=0), rcnn=dict(sampler=dict(num=128))),
    test_cfg=dict(rpn=dict(max_per_img=300), rcnn=dict(nms=dict(iou_threshold=0.3))))

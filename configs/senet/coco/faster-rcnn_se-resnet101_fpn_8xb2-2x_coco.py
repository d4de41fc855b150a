"""Faster R-CNN, FPN, SE-ResNet-101 on COCO.

SE Table VII, row "SE-ResNet-101": 62.7 / 41.9.

The backbone starts from the run of ../imagenet/se-resnet101_32xb32_in1k.py, as the paper's. Section 5.3 names
Detectron and its 2x schedule; FPN is inferred from the baseline's AP, which is Detectron's with FPN.
_base_/models/faster_rcnn_r50_caffe_fpn.py lists what differs from Detectron. What is frozen with a stage includes its SE layers.

    tools/dist_train.sh configs/senet/coco/faster-rcnn_se-resnet101_fpn_8xb2-2x_coco.py 8

Cost: 8 GPUs x 34 hours (estimate: twice the 12 epochs of mmdet's baseline, by depth).
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r50_caffe_fpn.py', 'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/schedules/coco_detectron_2x.py', '../../_base_/coco_runtime.py',
]

model = dict(backbone=dict(
    depth=101, context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='work_dirs/se-resnet101_32xb32_in1k/epoch_100.pth')))

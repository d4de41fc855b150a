"""Faster R-CNN, FPN, ResNet-50 on COCO.

SE Table VII, row "ResNet-50": 57.9 / 38.0.

The backbone starts from the run of ../imagenet/resnet50_32xb32_in1k.py, as the paper's. Section 5.3 names
Detectron and its 2x schedule; FPN is inferred from the baseline's AP, which is Detectron's with FPN.
_base_/models/faster_rcnn_r50_caffe_fpn.py lists what differs from Detectron.

    tools/dist_train.sh configs/senet/coco/faster-rcnn_resnet50_fpn_8xb2-2x_coco.py 8

Cost: 8 GPUs x 24 hours (estimate: twice the 12 epochs of mmdet's baseline, by depth).
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r50_caffe_fpn.py', 'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/schedules/coco_detectron_2x.py', '../../_base_/coco_runtime.py',
]

model = dict(backbone=dict(
    init_cfg=dict(checkpoint='work_dirs/resnet50_32xb32_in1k/epoch_100.pth')))

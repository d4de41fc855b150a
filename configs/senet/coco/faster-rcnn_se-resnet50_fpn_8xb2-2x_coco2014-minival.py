"""Faster R-CNN, FPN, SE-ResNet-50 on COCO 2014's 35k/5k split.

SE Table VII, row "SE-ResNet-50, files of COCO 2014": 61.0 / 40.4.

faster-rcnn_se-resnet50_fpn_8xb2-2x_coco.py on the same images under their names of 2014.

    tools/dist_train.sh configs/senet/coco/faster-rcnn_se-resnet50_fpn_8xb2-2x_coco2014-minival.py 8

Cost: 8 GPUs x 24 hours (estimate: twice the 12 epochs of mmdet's baseline).
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r50_caffe_fpn.py', '../../_base_/datasets/coco_2014_minival.py',
    '../../_base_/schedules/coco_detectron_2x.py', '../../_base_/coco_runtime.py',
]

model = dict(backbone=dict(
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='work_dirs/se-resnet50_32xb32_in1k/epoch_100.pth')))

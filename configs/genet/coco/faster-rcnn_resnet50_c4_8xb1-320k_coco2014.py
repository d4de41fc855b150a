"""Faster R-CNN C4, ResNet-50 on COCO 2014.

GE section 3.3, COCO, row "ResNet-50": 27.3.

Backbone and shared head start from the run of ../imagenet/resnet50_8xb32_in1k.py. The paper refers to the ResNet
paper for all settings but RoIAlign: _base_/models/faster_rcnn_r50_caffe_c4.py and _base_/schedules/coco_c4_320k.py say
what comes from where, and what is inferred.

    tools/dist_train.sh configs/genet/coco/faster-rcnn_resnet50_c4_8xb1-320k_coco2014.py 8

Cost: 8 GPUs x 24 hours (estimate: 1.8 times the images of mmdet's 12 epochs).
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r50_caffe_c4.py', '../../_base_/datasets/coco_2014_600.py',
    '../../_base_/schedules/coco_c4_320k.py', '../../_base_/coco_runtime.py',
]

checkpoint = 'work_dirs/resnet50_8xb32_in1k/epoch_300.pth'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint=checkpoint)),
    roi_head=dict(shared_head=dict(init_cfg=dict(checkpoint=checkpoint))))

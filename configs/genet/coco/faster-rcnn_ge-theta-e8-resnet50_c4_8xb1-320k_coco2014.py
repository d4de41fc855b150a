"""Faster R-CNN C4, GE-theta (E8) ResNet-50 on COCO 2014.

GE section 3.3, COCO, row "GE-theta (E8)": 28.6.

Backbone and shared head start from the run of ../imagenet/ge-theta-e8-resnet50_8xb32_in1k.py; extent 8 on the 7x7
maps of the shared head is global. Recipe as faster-rcnn_resnet50_c4_8xb1-320k_coco2014.py; the gathers' norms are
frozen as all norms are. Without that run: configs/faster_rcnn_ge_r50_c4.py starts from plain ImageNet weights.

    tools/dist_train.sh configs/genet/coco/faster-rcnn_ge-theta-e8-resnet50_c4_8xb1-320k_coco2014.py 8

Cost: 8 GPUs x 24 hours (estimate: 1.8 times the images of mmdet's 12 epochs).
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r50_caffe_c4.py', '../../_base_/datasets/coco_2014_600.py',
    '../../_base_/schedules/coco_c4_320k.py', '../../_base_/coco_runtime.py',
]

checkpoint = 'work_dirs/ge-theta-e8-resnet50_8xb32_in1k/epoch_300.pth'
context = dict(op=dict(type='GatherExcite', variant='theta', extent=8), freeze_with_stage=True)
model = dict(
    backbone=dict(context=context, init_cfg=dict(checkpoint=checkpoint)),
    roi_head=dict(shared_head=dict(context=context, init_cfg=dict(checkpoint=checkpoint))))

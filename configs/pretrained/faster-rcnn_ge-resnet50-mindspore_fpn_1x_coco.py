"""Faster R-CNN, MindSpore's GE (theta-minus, global) ResNet-50 with published weights, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_ge-resnet50-mindspore_fpn_1x_coco.py 8

The operators have no parameters. The network has 77.8 % top-1 on ImageNet; its weights are for research and education
only, says MindSpore. The mapping was tested on random checkpoints of the published code, not on the file.
Cost: about 8 GPUs x half a day, as mmdet's ResNet-50 (estimate).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', stem_pool='caffe', conv_cfg=dict(type='Conv2dAdaptivePadding'),
    context=dict(op=dict(type='GatherExcite', variant='theta_minus')),
    init_cfg=dict(checkpoint='se-backbones://ge_resnet50_theta_minus.mindspore')))

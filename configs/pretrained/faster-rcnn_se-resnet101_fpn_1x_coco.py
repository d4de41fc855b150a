"""Faster R-CNN, SE-ResNet-101 with published ImageNet weights, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_se-resnet101_fpn_1x_coco.py 8

The operators came with the weights: they follow the frozen stage and the batch norms in eval mode.
Cost: about 8 GPUs x 17 hours (estimate: mmdet's ResNet-50 run times the FLOPs).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', depth=101, style='caffe', stem_pool='caffe',
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='se-backbones://se_resnet101.cadene')))

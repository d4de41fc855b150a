"""Faster R-CNN, SENet-154 with published ImageNet weights, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_senet154_fpn_1x_coco.py 8

The operators came with the weights: they follow the frozen stage and the batch norms in eval mode.
Cost: about 8 GPUs x two days, with activations recomputed (with_cp) to fit 16 GB
(estimate: mmdet's ResNet-50 run times the FLOPs).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.SENet', depth=154, with_cp=True,
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='se-backbones://senet154.timm_legacy')))

"""Faster R-CNN, SE-ResNeXt-201-D 32x8d with pooled strides, ImageNet-12k weights, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_se-resnextaa201d-32x8d-in12k_fpn_1x_coco.py 8

The operators came with the weights: they follow the frozen stage and the batch norms in eval mode.
Cost: about 8 GPUs x a week, with activations recomputed (with_cp)
(estimate: mmdet's ResNet-50 run times the FLOPs).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=(3, 24, 36, 4), stem_channels=128, groups=32, base_width=8, deep_stem=True,
    avg_down=True, style='aa', stem_pool='avg', with_cp=True,
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='se-backbones://se_resnextaa201d_32x8d.timm_sw_in12k')))

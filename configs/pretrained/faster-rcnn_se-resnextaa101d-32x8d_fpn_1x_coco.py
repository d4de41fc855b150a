"""Faster R-CNN, SE-ResNeXt-101-D 32x8d with pooled strides, 86.7 % top-1, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_se-resnextaa101d-32x8d_fpn_1x_coco.py 8

Trained on ImageNet-12k, then ImageNet-1k. The operators came with the weights: they follow the frozen stage and the
batch norms in eval mode.
Cost: about 8 GPUs x three days, with activations recomputed (with_cp)
(estimate: mmdet's ResNet-50 run times the FLOPs).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNeXt', depth=101, groups=32, base_width=8, deep_stem=True, avg_down=True, style='aa',
    stem_pool='avg', with_cp=True,
    context=dict(op=dict(type='SqueezeExcite', ratio=16), freeze_with_stage=True),
    init_cfg=dict(checkpoint='se-backbones://se_resnextaa101d_32x8d.timm_sw_in12k_ft_in1k_288')))

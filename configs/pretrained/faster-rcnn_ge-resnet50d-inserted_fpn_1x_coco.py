"""Faster R-CNN, GE (theta, extent 8) inserted into a strong plain ResNet-50-D, FPN, RoIAlign, COCO 2017, 12 epochs.

    tools/dist_train.sh configs/pretrained/faster-rcnn_ge-resnet50d-inserted_fpn_1x_coco.py 8

The plain network has 81.8 % top-1 on ImageNet (timm, 3,600 epochs). The operators sit in the three stages that
train, and at the start compute nothing new.
Cost: about 8 GPUs x half a day, as mmdet's ResNet-50 (estimate).
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        type='se_backbones.ResNet', depth=50, deep_stem=True, avg_down=True,
        context=dict(
            # Two images are few for a batch norm's statistics: docs/scaling.md.
            op=dict(type='GatherExcite', variant='theta', extent=8, norm_cfg=dict(type='GN', num_groups=32)),
            stages=(False, True, True, True)),
        init_cfg=dict(checkpoint='se-backbones://resnet50d.timm_ra4_e3600_r224')))
# For batch norms in its place: without this their statistics drift apart between GPUs, and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

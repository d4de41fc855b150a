"""Faster R-CNN, Gather-Excite (theta, extent 8) ResNet-50, FPN, RoIAlign, COCO 2017, 12 epochs.

    se-backbones train configs/faster_rcnn_ge_r50.py                # one GPU: add --auto-scale-lr
    tools/dist_train.sh configs/faster_rcnn_ge_r50.py 8                # eight GPUs, the learning rate is for these

Weights: the only GE weights that were published, MindSpore's, are of other operators (global; see docs/faq.md), so training
starts from the plain ImageNet ResNet-50 of torchvision, into which the operators are inserted without changing what it
computes (one line of the log counts them). To train GE on ImageNet first
costs about 8 GPUs x 3 days for the paper's 300 epochs (estimate: twice mmpretrain's 140-epoch ResNet-50 runs).
Cost of this file: as mmdet's baseline, about 8 GPUs x half a day for 12 epochs of 117k images (estimate).

The operators sit in the three stages that train. The first is frozen here: a gate that learns inside it would make the backward
pass run through it, and Table 1 of the GE paper shows no gain there. faster_rcnn_ge_r50_all_stages.py has all four.
The norms of the gathers are group norms, the same on one GPU and on many; faster_rcnn_ge_r50_syncbn.py has the paper's kind.
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet',
    context=dict(
        # Two images are few for a batch norm's statistics: docs/scaling.md.
        op=dict(type='GatherExcite', variant='theta', extent=8, norm_cfg=dict(type='GN', num_groups=32)),
        stages=(False, True, True, True))))
# For batch norms in its place: without this their statistics drift apart between GPUs, and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

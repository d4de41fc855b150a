"""Faster R-CNN C4 (conv5_x applied to each region), Gather-Excite (theta, extent 8) ResNet-50, COCO 2017.

The form of the GE paper's COCO experiment, with mmdet's recipe (genet/coco/ has the paper's): the shared head carries the
operators of conv5_x, where extent 8 on a 7x7 map is global. Both parts load from the same plain checkpoint and insert their operators without changing what it computes.

    tools/dist_train.sh configs/faster_rcnn_ge_r50_c4.py 8

No operators in the frozen first stage; see faster_rcnn_ge_r50.py. The paper's own setting has them in all stages:
faster_rcnn_ge_r50_c4_all_stages.py.
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py'

op = dict(type='GatherExcite', variant='theta', extent=8)
model = dict(
    backbone=dict(
        type='se_backbones.ResNet',
        context=dict(
            # Two images are few for a batch norm's statistics (docs/scaling.md); the head's have hundreds of regions.
            op=dict(**op, norm_cfg=dict(type='GN', num_groups=32)), stages=(False, True, True))),
    roi_head=dict(shared_head=dict(type='se_backbones.ResLayer', context=dict(op=op))))
# Each GPU's gather norms see other images; without this the statistics drift apart and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

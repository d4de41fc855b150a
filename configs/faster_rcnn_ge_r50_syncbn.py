"""faster_rcnn_ge_r50.py with the paper's kind of norm in the gathers: batch norm, over the images of all GPUs.

    tools/dist_train.sh configs/faster_rcnn_ge_r50_syncbn.py 8

In one process mmengine makes it plain batch norm, which wants more than two images. docs/scaling.md compares norms.
"""
_base_ = './faster_rcnn_ge_r50.py'

model = dict(backbone=dict(context=dict(op=dict(norm_cfg=dict(_delete_=True, type='SyncBN')))))

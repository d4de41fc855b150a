"""GE (theta, extent 8) Faster R-CNN on tree crowns, from scratch.

    se-backbones train configs/trees/faster_rcnn_ge_r18.py
"""
_base_ = './faster_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))

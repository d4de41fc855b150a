"""GE (theta-minus, extent 8: no parameters) Faster R-CNN on tree crowns, from scratch.

    se-backbones train configs/trees/faster_rcnn_ge-theta-minus_r18.py
"""
_base_ = './faster_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent=8))))

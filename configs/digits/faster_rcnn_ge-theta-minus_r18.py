"""GE (theta-minus, extent 8: no parameters) Faster R-CNN on digit scenes, from scratch. About six minutes on two CPU cores.

    se-backbones train configs/digits/faster_rcnn_ge-theta-minus_r18.py
"""
_base_ = './faster_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent=8))))

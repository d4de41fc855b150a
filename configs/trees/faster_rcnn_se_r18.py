"""SE Faster R-CNN on tree crowns, from scratch.

    se-backbones train configs/trees/faster_rcnn_se_r18.py
"""
_base_ = './faster_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

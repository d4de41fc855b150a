"""SE Faster R-CNN on digit scenes, from scratch. About six minutes on two CPU cores.

    se-backbones train configs/digits/faster_rcnn_se_r18.py
"""
_base_ = './faster_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

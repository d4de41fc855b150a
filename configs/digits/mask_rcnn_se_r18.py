"""SE Mask R-CNN on digit scenes, from scratch.

    se-backbones train configs/digits/mask_rcnn_se_r18.py
"""
_base_ = './mask_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

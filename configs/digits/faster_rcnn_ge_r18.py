"""GE (theta, extent 8) Faster R-CNN on digit scenes, from scratch: what `make demo` trains.

    se-backbones train configs/digits/faster_rcnn_ge_r18.py         # about six minutes on two CPU cores
"""
_base_ = './faster_rcnn_r18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))

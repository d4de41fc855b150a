"""GE without parameters, extent 8, in a small Faster R-CNN.

    se-backbones train configs/digits/ablation/detector_ge_theta_minus_e8.py
"""
_base_ = './detector_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent=8))))

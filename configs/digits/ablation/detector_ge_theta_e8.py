"""GE with learned gathers, extent 8, in a small Faster R-CNN (GE section 3.3).

    se-backbones train configs/digits/ablation/detector_ge_theta_e8.py
"""
_base_ = './detector_ge_theta_minus_e8.py'

model = dict(backbone=dict(context=dict(op=dict(variant='theta'))))

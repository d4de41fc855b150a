"""GE with learned gathers, global extent (GE Figure 2).

    se-backbones train configs/digits/ablation/classifier_ge_theta.py
"""
_base_ = './classifier_ge_theta_minus.py'

model = dict(backbone=dict(context=dict(op=dict(variant='theta'))))

"""GE with learned gathers and excitation, global extent (GE section 3.2).

    se-backbones train configs/digits/ablation/classifier_ge_theta_plus.py
"""
_base_ = './classifier_ge_theta_minus.py'

model = dict(backbone=dict(context=dict(op=dict(variant='theta_plus'))))

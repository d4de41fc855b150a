"""GE with learned gathers, extent 2 (GE Figure 2).

    se-backbones train configs/digits/ablation/classifier_ge_theta_e2.py
"""
_base_ = './classifier_ge_theta.py'

model = dict(backbone=dict(context=dict(op=dict(extent=2))))

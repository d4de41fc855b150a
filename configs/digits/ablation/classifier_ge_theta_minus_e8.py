"""GE without parameters, extent 8 (GE Figure 2).

    python tools/train.py configs/digits/ablation/classifier_ge_theta_minus_e8.py
"""
_base_ = './classifier_ge_theta_minus.py'

model = dict(backbone=dict(context=dict(op=dict(extent=8))))

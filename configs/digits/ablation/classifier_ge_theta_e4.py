"""GE with learned gathers, extent 4 (GE Figure 2).

    python tools/train.py configs/digits/ablation/classifier_ge_theta_e4.py
"""
_base_ = './classifier_ge_theta.py'

model = dict(backbone=dict(context=dict(op=dict(extent=4))))

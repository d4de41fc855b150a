"""GE without parameters, global extent (GE Figure 2).

    se-backbones train configs/digits/ablation/classifier_ge_theta_minus.py
"""
_base_ = './classifier_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent='global'))))

"""GE with learned gathers and excitation, global extent (GE section 3.2).

    se-backbones train configs/fashion_mnist/preresnet14_ge_theta_plus.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_plus', extent='global'))))

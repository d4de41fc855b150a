"""GE without parameters, global extent (GE section 3.1).

    se-backbones train configs/fashion_mnist/preresnet14_ge_theta_minus.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent='global'))))

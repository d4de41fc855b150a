"""GE without parameters, global extent (GE section 3.1).

    se-backbones train configs/fashion_mnist/preresnet20_ge_theta_minus.py
"""
_base_ = './preresnet20_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent='global'))))

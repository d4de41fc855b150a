"""GE with learned gathers of extent 2 (GE section 3.2).

    se-backbones train configs/fashion_mnist/preresnet14_ge_theta_e2.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=2))))

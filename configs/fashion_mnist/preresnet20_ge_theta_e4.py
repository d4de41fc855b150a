"""GE with learned gathers of extent 4 (GE section 3.2).

    se-backbones train configs/fashion_mnist/preresnet20_ge_theta_e4.py
"""
_base_ = './preresnet20_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=4))))

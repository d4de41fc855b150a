"""GE (theta-minus, extent 8): it has no parameter that could make its gates do nothing at the start."""
_base_ = './plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta_minus', extent=8))))

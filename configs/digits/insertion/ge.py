"""GE (theta, extent 8), inserted exactly: the detector begins as it was."""
_base_ = './plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))

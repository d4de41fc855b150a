"""GE (theta, extent 8) with fresh gates of about a half: another network than the one that was trained."""
_base_ = './plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=8), insertion='fresh')))

"""SE with fresh gates of about a half: another network than the one that was trained."""
_base_ = './plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16), insertion='fresh')))

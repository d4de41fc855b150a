"""SE, inserted exactly: the detector begins as it was."""
_base_ = './plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

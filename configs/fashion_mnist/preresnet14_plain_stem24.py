"""Plain, with a stem of 24 channels: about SE's parameters.

    se-backbones train configs/fashion_mnist/preresnet14_plain_stem24.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(stem_channels=24))

"""Plain, with a width of 17: about SE's time.

    se-backbones train configs/fashion_mnist/preresnet14_plain_w17.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(base_channels=17), head=dict(in_channels=68))

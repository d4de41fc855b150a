"""Plain, with one more unit in the first stage: about SE's time.

    se-backbones train configs/fashion_mnist/preresnet14_plain_block.py
"""
_base_ = './preresnet14_plain.py'

model = dict(backbone=dict(depth=(3, 2, 2)))

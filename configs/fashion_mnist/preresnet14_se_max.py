"""SE with max pooling as its squeeze (SE Table XI).

    se-backbones train configs/fashion_mnist/preresnet14_se_max.py
"""
_base_ = './preresnet14_se.py'

model = dict(backbone=dict(context=dict(op=dict(squeeze='max'))))

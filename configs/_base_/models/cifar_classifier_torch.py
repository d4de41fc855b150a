"""The CIFAR classifier of networks that were written in Torch, whose convolutions are drawn by their fan-out."""
_base_ = './cifar_classifier.py'

model = dict(backbone=dict(init_cfg=[
    dict(type='Kaiming', layer='Conv2d', mode='fan_out'),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]))

"""SE ResNet-18 of a quarter of the width on single digits: at least 98 % top-1 in under two minutes on two CPU cores.

    se-backbones data digits --kind digits
    se-backbones train configs/digits/resnet18_se.py
"""
_base_ = './resnet18.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

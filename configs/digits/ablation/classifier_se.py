"""SE with ratio 16: the small counterpart of the SE paper's networks.

    se-backbones train configs/digits/ablation/classifier_se.py
"""
_base_ = './classifier_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

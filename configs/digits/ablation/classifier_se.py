"""SE with ratio 16: the small counterpart of the SE paper's networks.

    python tools/train.py configs/digits/ablation/classifier_se.py
"""
_base_ = './classifier_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

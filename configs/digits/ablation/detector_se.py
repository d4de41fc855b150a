"""SE with ratio 16 in a small Faster R-CNN (SE Table VII).

    se-backbones train configs/digits/ablation/detector_se.py
"""
_base_ = './detector_plain.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16))))

"""SE after the 3x3 convolution (SE Table XV).

    se-backbones train configs/digits/ablation/classifier_se_3x3.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(placement='3x3')))

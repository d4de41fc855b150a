"""SE before the branch (SE Table XIV).

    se-backbones train configs/digits/ablation/classifier_se_pre.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(placement='pre')))

"""SE on the shortcut (SE Table XIV).

    se-backbones train configs/digits/ablation/classifier_se_identity.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(placement='identity')))

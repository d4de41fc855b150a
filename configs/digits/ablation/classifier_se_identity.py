"""SE on the shortcut (SE Table XIV).

    python tools/train.py configs/digits/ablation/classifier_se_identity.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(placement='identity')))

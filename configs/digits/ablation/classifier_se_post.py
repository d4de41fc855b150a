"""SE after the sum (SE Table XIV).

    se-backbones train configs/digits/ablation/classifier_se_post.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(placement='post')))

"""SE after the sum (SE Table XIV).

    python tools/train.py configs/digits/ablation/classifier_se_post.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(placement='post')))

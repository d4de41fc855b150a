"""SE with ratio 4 (SE Table X).

    se-backbones train configs/digits/ablation/classifier_se_r4.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(op=dict(ratio=4))))

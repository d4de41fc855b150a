"""SE with ratio 32 (SE Table X).

    se-backbones train configs/digits/ablation/classifier_se_r32.py
"""
_base_ = './classifier_se.py'

model = dict(backbone=dict(context=dict(op=dict(ratio=32))))

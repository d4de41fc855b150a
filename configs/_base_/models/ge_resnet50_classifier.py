"""ResNet-50 of the GE paper: as the SE paper's, with the running statistics' decay 0.95 of its prototxts.

Label smoothing is inferred: the baseline's errors are those of the SE paper's section 6, which trains with it.
"""
_base_ = './resnet50_classifier_smooth.py'

model = dict(backbone=dict(norm_cfg=dict(type='BN', momentum=0.05)))

"""SENet-154 (SE paper, appendix): dropout 0.2 before the classifier; label smoothing, 0.1 inferred."""
_base_ = './classifier.py'

model = dict(
    backbone=dict(type='se_backbones.SENet', depth=154, zero_init_residual=False),
    neck=[dict(type='GlobalAveragePooling'), dict(type='se_backbones.Dropout', p=0.2)],
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)))

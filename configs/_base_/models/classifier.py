"""A classifier of mmpretrain without its backbone: pooled features, one linear layer, 1,000 classes.

Convolutions are drawn by their fan-in, as in arXiv 1502.01852 ([66] of the SE paper, eq. 10) and by the fillers "msra" of
the released GE prototxts; torchvision and mmpretrain go by the fan-out.
"""
model = dict(
    type='ImageClassifier',
    backbone=dict(init_cfg=[
        dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
        dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
    ]),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, loss=dict(type='CrossEntropyLoss')))

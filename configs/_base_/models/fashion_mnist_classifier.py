"""A pre-activation ResNet of width 16 for grey images of 28 px: maps of 28, 14 and 7 px; the depth is the config's.

By itself, so that it stays as the published runs had it.
"""
model = dict(
    type='ImageClassifier',
    backbone=dict(type='se_backbones.PreActResNet', block='basic', in_channels=1, input_size=28),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64, loss=dict(type='CrossEntropyLoss')))

"""A ResNet of eleven layers, three bottlenecks of 16, 32 and 64 planes, for images of 48 px: maps of 12, 6 and 3 px."""
model = dict(
    type='ImageClassifier',
    backbone=dict(type='se_backbones.ResNet', depth=(1, 1, 1), base_channels=16, input_size=48),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=10, in_channels=256, loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))

"""A classifier of mmpretrain without its backbone: pooled features, one linear layer, 1,000 classes."""
model = dict(
    type='ImageClassifier',
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, loss=dict(type='CrossEntropyLoss')))

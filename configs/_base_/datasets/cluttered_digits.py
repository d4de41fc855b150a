"""Cluttered digits for classification; `se-backbones data digits --kind cluttered` makes them in seconds."""
_base_ = './single_digits.py'

data_root = 'data/cluttered_digits'
# Wherever the digit is, it may be anywhere else: shifts by some pixels are all that is added.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomCrop', crop_size=48, padding=4, padding_mode='reflect'),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=32, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader

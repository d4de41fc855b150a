"""CIFAR-100 with Cutout of 8x8 pixels (the size that arXiv 1708.04552 chose for it), two GPUs with 16 images each."""
_base_ = './cifar100.py'

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    # The mean of the data: zero after the normalisation.
    dict(type='Cutout', shape=8, pad_val=(129, 124, 112), prob=1.0),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))

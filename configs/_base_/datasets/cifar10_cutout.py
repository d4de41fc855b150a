"""CIFAR-10 with Cutout of 16x16 pixels (the size that arXiv 1708.04552 chose for it), two GPUs with 64 images each."""
_base_ = './cifar10.py'

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    # The mean of the data: zero after the normalisation.
    dict(type='Cutout', shape=16, pad_val=(125, 123, 114), prob=1.0),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))

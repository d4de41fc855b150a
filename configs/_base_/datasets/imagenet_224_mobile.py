"""ImageNet with "slightly less aggressive data augmentation" for small networks (SE paper, section 5.1).

Inferred: crops of 25 to 100 % of the area; neither the paper nor the ShuffleNet paper, which it cites for it ("slightly
less aggressive scale augmentation", section 4), has numbers.
"""
_base_ = './imagenet_224.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.25, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

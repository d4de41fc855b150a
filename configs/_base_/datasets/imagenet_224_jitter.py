"""ImageNet with the augmentation table of the SENet repository, which the GENet repository refers to.

Mirror; crop of 8 to 100 % of the area, aspect 3/4 to 4/3; rotation by -10 to 10 degrees; pixel jitter of -20 to 20.
Inferred: the order, what the corners of a rotated image hold (the mean), and that each channel has its own offset.
"""
_base_ = './imagenet_224.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Rotate', magnitude_range=(0, 10), magnitude_std='inf', prob=1.0, pad_val=(104, 117, 123),
         interpolation='bilinear'),
    dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='se_backbones.PixelJitter', delta=20),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

"""ImageNet at 320 pixels with the SENet repository's augmentation.

The paper does not say how large the images are out of which it tests 320 pixels. Inferred: a shorter side of 366, in the
proportion of 256 to 224. The ResNets of Table VIII were tested out of 320 (arXiv 1603.05027, section 5), which is
`--cfg-options test_dataloader.dataset.pipeline.1.scale=320`.
"""
_base_ = './imagenet_224_jitter.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Rotate', magnitude_range=(0, 10), magnitude_std='inf', prob=1.0, pad_val=(104, 117, 123),
         interpolation='bilinear'),
    dict(type='RandomResizedCrop', scale=320, crop_ratio_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='se_backbones.PixelJitter', delta=20),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=366, edge='short'),
    dict(type='CenterCrop', crop_size=320),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

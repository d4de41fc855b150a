"""Places365-Challenge, 8 million scenes of 365 classes.

The protocols that section 5.2 refers to: [72], the README of Places2-CNNs, tests the centre of images of 256x256; [74],
arXiv 1512.05830, samples classes evenly in training, whose sizes lie between 4,000 and 30,000 images ("class-aware
sampling"). mmdet has that sampler. Inferred: crops and mirror as on ImageNet.
Data: data/places365, as torchvision's Places365 unpacks it.
"""
_base_ = './imagenet_224.py'

dataset_type = 'se_backbones.Places365'
data_root = 'data/places365'
data_preprocessor = dict(num_classes=365)

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(sampler=dict(_delete_=True, type='mmdet.ClassAwareSampler'), dataset=dict(
    _delete_=True, type=dataset_type, data_root=data_root, ann_file='places365_train_challenge.txt',
    data_prefix=dict(img_path='data_256_challenge'), pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(
    _delete_=True, type=dataset_type, data_root=data_root, ann_file='places365_val.txt',
    data_prefix=dict(img_path='val_256'), test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

"""Places365-Challenge, 8 million scenes of 365 classes; the centre of images of 256x256 is tested (Places2-CNNs).

Inferred: training as on ImageNet. Data: data/places365, as torchvision's Places365 unpacks it.
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
train_dataloader = dict(dataset=dict(
    _delete_=True, type=dataset_type, data_root=data_root, ann_file='places365_train_challenge.txt',
    data_prefix=dict(img_path='data_256_challenge'), pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(
    _delete_=True, type=dataset_type, data_root=data_root, ann_file='places365_val.txt',
    data_prefix=dict(img_path='val_256'), test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

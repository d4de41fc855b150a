"""Fashion-MNIST: 60,000 and 10,000 photographs of products, 28 px, grey, ten classes; in memory, as there are 55 MB.

`se-backbones data fashion-mnist` puts the files there. `split` alone chooses nothing: it is
`test_mode` by which mmpretrain's FashionMNIST takes the test files.
"""
data_root = 'data/fashion_mnist'
# Mean and deviation of the training pixels.
data_preprocessor = dict(num_classes=10, mean=[72.94], std=[90.02], to_rgb=False)

train_pipeline = [
    dict(type='RandomCrop', crop_size=28, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='FashionMNIST', data_root=data_root, download=False, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=500,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='FashionMNIST', data_root=data_root, split='test', test_mode=True, download=False, pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator

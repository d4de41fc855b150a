"""Digit scenes for semantic segmentation: 0 is the ground, digit + 1 the digits; nothing is ignored."""
dataset_type = 'BaseSegDataset'
data_root = 'data/digit_scenes/'
metainfo = dict(
    classes=('ground', 'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'),
    # Black, and Petroff's ten, which readers with any colour vision tell apart.
    palette=[[0, 0, 0], [63, 144, 218], [255, 169, 14], [189, 31, 1], [148, 164, 162], [131, 45, 182],
             [169, 107, 89], [231, 99, 0], [185, 172, 112], [113, 117, 129], [146, 218, 221]])

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    # A mirrored two or five is not a digit, so there is no flip. What lies beyond a scene is ground.
    dict(type='RandomResize', scale=(128, 128), ratio_range=(0.8, 1.25), keep_ratio=True),
    dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=0),
    dict(type='RandomCrop', crop_size=(96, 96)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, metainfo=metainfo, img_suffix='.jpg', seg_map_suffix='.png',
        data_prefix=dict(img_path='train', seg_map_path='semantic/train'), pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, metainfo=metainfo, img_suffix='.jpg', seg_map_suffix='.png',
        data_prefix=dict(img_path='val', seg_map_path='semantic/val'), test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

"""COCO 2014, train 80k and val 40k (GE paper, section 3.3), shorter side 600 pixels, one image on each GPU.

600 is Faster R-CNN's (arXiv 1506.01497, section 3.3), 8 images a step the ResNet paper's (arXiv 1512.03385, appendix A), to
which the GE paper refers. Inferred: at most 1,000 pixels on the longer side, as in the authors' py-faster-rcnn.
"""
_base_ = 'mmdet::_base_/datasets/coco_detection.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(1000, 600), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1000, 600), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
train_dataloader = dict(batch_size=1, dataset=dict(
    ann_file='annotations/instances_train2014.json', data_prefix=dict(img='train2014/'), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    ann_file='annotations/instances_val2014.json', data_prefix=dict(img='val2014/'), pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='data/coco/annotations/instances_val2014.json')
test_evaluator = val_evaluator

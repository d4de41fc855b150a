"""COCO 2014 in the 35k/5k split, the same images as COCO 2017's, for those who have the files of 2014.

`se-backbones data coco-minival` derives the split's two files.
"""
_base_ = 'mmdet::_base_/datasets/coco_detection.py'

train_part = dict(
    type='CocoDataset', data_root='data/coco/', filter_cfg=dict(filter_empty_gt=True, min_size=32),
    pipeline={{_base_.train_pipeline}})
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=[
    dict(train_part, ann_file='annotations/instances_train2014.json', data_prefix=dict(img='train2014/')),
    dict(train_part, ann_file='annotations/instances_valminusminival2014.json', data_prefix=dict(img='val2014/')),
]))
val_dataloader = dict(dataset=dict(
    ann_file='annotations/instances_minival2014.json', data_prefix=dict(img='val2014/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='data/coco/annotations/instances_minival2014.json')
test_evaluator = val_evaluator

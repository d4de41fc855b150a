"""A plain Faster R-CNN that was trained on digit scenes trains on: what the insertions beside it are compared with.

    se-backbones train configs/digits/faster_rcnn_r18.py --work-dir work_dirs/digits_plain
    se-backbones analyse sweep configs/digits/insertion.toml --out-dir work_dirs/digits_insertion
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r18_digits.py', '../../_base_/datasets/digit_scenes.py',
    '../../_base_/schedules/digits_adamw_finetune_4e.py', '../../_base_/default_runtime.py'
]

load_from = 'work_dirs/digits_plain/epoch_7.pth'
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=4))

"""A plain Faster R-CNN that was trained on tree crowns trains on: what the insertions beside it are compared with.

    se-backbones train configs/trees/faster_rcnn_r18.py --work-dir work_dirs/trees_plain
    se-backbones analyse sweep configs/trees/insertion.toml --out-dir work_dirs/trees_insertion
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r18_trees.py', '../../_base_/datasets/tree_crowns.py',
    '../../_base_/schedules/digits_adamw_finetune_4e.py', '../../_base_/default_runtime.py'
]

load_from = 'work_dirs/trees_plain/epoch_7.pth'
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=4))

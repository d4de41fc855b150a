"""Plain Faster R-CNN on tree crowns, from scratch: the baseline of faster_rcnn_{se,ge}_r18.py.

    se-backbones train configs/trees/faster_rcnn_r18.py
"""
_base_ = [
    '../_base_/models/faster_rcnn_r18_trees.py', '../_base_/datasets/tree_crowns.py',
    '../_base_/schedules/digits_adamw_7e.py', '../_base_/default_runtime.py'
]

visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')

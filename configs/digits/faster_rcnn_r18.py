"""Plain Faster R-CNN on digit scenes: the baseline of faster_rcnn_{se,ge}_r18.py. About six minutes on two CPU cores.

    se-backbones train configs/digits/faster_rcnn_r18.py
"""
_base_ = [
    '../_base_/models/faster_rcnn_r18_digits.py', '../_base_/datasets/digit_scenes.py',
    '../_base_/schedules/digits_adamw_7e.py', '../_base_/default_runtime.py'
]

visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')

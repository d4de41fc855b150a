"""Plain Mask R-CNN on digit scenes: the baseline of mask_rcnn_{se,ge}_r18.py.

    se-backbones train configs/digits/mask_rcnn_r18.py
"""
_base_ = [
    '../_base_/models/mask_rcnn_r18_digits.py', '../_base_/datasets/digit_scenes_instance.py',
    '../_base_/schedules/digits_adamw_5e.py', '../_base_/default_runtime.py'
]

visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')

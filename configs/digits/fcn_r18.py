"""Plain FCN on digit scenes: the baseline of fcn_{se,ge}_r18.py. mIoU 78.3 %.

    se-backbones train configs/digits/fcn_r18.py
"""
_base_ = [
    '../_base_/models/fcn_r18_digits.py', '../_base_/datasets/digit_scenes_semantic.py',
    '../_base_/schedules/digits_adamw_24e.py', '../_base_/default_runtime.py'
]

default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')

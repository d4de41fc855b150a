"""A small plain Faster R-CNN on hard digit scenes: the baseline of the other detectors here.

    se-backbones data digits --hard
    se-backbones train configs/digits/ablation/detector_plain.py
    se-backbones analyse sweep configs/digits/ablation/detector.toml --out-dir work_dirs/matrix_detector
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r10_hard.py', '../../_base_/datasets/digit_scenes_hard.py',
    '../../_base_/schedules/digits_adamw_8e.py', '../../_base_/default_runtime.py'
]

visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
default_hooks = dict(checkpoint=dict(interval=8))

"""A small plain Faster R-CNN on hard digit scenes: the baseline of the other detectors here.

    python tools/dataset_converters/make_digit_scenes.py --hard
    python tools/train.py configs/digits/ablation/detector_plain.py
    python tools/analysis_tools/run_matrix.py configs/digits/ablation/detector.toml --out-dir work_dirs/matrix_detector
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r10_hard.py', '../../_base_/datasets/digit_scenes_hard.py',
    '../../_base_/schedules/digits_adamw_8e.py', '../../_base_/default_runtime.py'
]

visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
default_hooks = dict(checkpoint=dict(interval=8))

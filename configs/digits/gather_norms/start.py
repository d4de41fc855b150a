"""A small plain Faster R-CNN on easy digit scenes of 192 px: its backbone is where the detectors here start.

    se-backbones data digits
    se-backbones data digits --hard
    se-backbones train configs/digits/gather_norms/start.py
    se-backbones analyse sweep configs/digits/gather_norms/norms.toml --out-dir work_dirs/gather_norms
"""
_base_ = [
    '../../_base_/models/faster_rcnn_r10_hard.py', '../../_base_/datasets/digit_scenes.py',
    '../../_base_/schedules/digits_adamw_5e.py', '../../_base_/default_runtime.py'
]

# Maps so large that a gather norm sees about as many values as in two photographs of 800 px.
image_size = (192, 192)
train_pipeline = _base_.train_pipeline
train_pipeline[2]['scale'] = image_size
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = image_size
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(rpn_head=dict(anchor_generator=dict(scales=[6])))

visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
default_hooks = dict(checkpoint=dict(interval=5))

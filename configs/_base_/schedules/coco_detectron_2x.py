"""Detectron's "2x": 180k iterations of 16 images, learning rate 0.02 divided by 10 at 120k and 160k.

e2e_faster_rcnn_R-50-FPN_2x.yaml and Detectron's defaults: a warm-up over 500 iterations from a third of the rate, and
biases without weight decay at twice the rate.
"""
train_cfg = dict(type='IterBasedTrainLoop', max_iters=180000, val_interval=20000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=False, milestones=[120000, 160000], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=16)

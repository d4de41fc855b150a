"""Seven epochs of AdamW from scratch: warm-up, cosine, evaluation in the middle and at the end."""
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=7, val_interval=4)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=7, T_max=7, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

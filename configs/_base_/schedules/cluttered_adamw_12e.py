"""Twelve epochs of AdamW from scratch, evaluated at the end."""
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=12)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', begin=0, T_max=12, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

"""The small detectors' schedule in eight epochs of few scenes, evaluated at the end."""
_base_ = './digits_adamw_7e.py'

train_cfg = dict(max_epochs=8, val_interval=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=8, T_max=8, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

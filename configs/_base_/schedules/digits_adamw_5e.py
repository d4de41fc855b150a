"""The small detectors' schedule in five epochs, for networks whose epochs take longer."""
_base_ = './digits_adamw_7e.py'

train_cfg = dict(max_epochs=5, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=5, T_max=5, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

"""The small networks' schedule in twenty-four epochs, at a higher learning rate, evaluated at the end."""
_base_ = './digits_adamw_7e.py'

train_cfg = dict(max_epochs=24, val_interval=24)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=24, T_max=24, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

"""The small networks' schedule in thirteen epochs, at twice the learning rate, evaluated at the end."""
_base_ = './digits_adamw_7e.py'

train_cfg = dict(max_epochs=13, val_interval=13)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=13, T_max=13, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

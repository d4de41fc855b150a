"""Four epochs of AdamW for a detector that is trained already: a tenth of the rate, evaluation after each epoch."""
_base_ = './digits_adamw_7e.py'

train_cfg = dict(max_epochs=4, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=1.5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=4, T_max=4, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]

"""Shake-Shake 26 2x96d: 1,800 epochs, batch 128, half a cosine from 0.2 (README of xgastaldi/shake-shake).

Its code has weight decay 1e-4 and Nesterov momentum.
"""
train_cfg = dict(by_epoch=True, max_epochs=1800, val_interval=5)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=1e-4, nesterov=True))
param_scheduler = dict(type='CosineAnnealingLR', T_max=1800, by_epoch=True, convert_to_iter_based=True)
auto_scale_lr = dict(base_batch_size=128)

"""Eight epochs of SGD in batches of 128, one cycle of the learning rate, evaluated at the end."""
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=8)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='se_backbones.BFloat16OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4))
param_scheduler = dict(
    type='OneCycleLR', eta_max=0.1, total_steps=8, pct_start=0.25, by_epoch=True, convert_to_iter_based=True)
custom_hooks = [dict(type='se_backbones.ChannelsLastHook')]

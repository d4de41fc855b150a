"""100 epochs, batch 1024, learning rate 0.6 divided by 10 every 30 epochs (SE paper, section 5.1).

The rate is that of the SENet repository's README. Inferred: weight decay 1e-4, on all parameters.
"""
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.6, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[30, 60, 90], gamma=0.1)
auto_scale_lr = dict(base_batch_size=1024)

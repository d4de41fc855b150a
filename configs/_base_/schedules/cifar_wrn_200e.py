"""Wide ResNets: 200 epochs, batch 128, learning rate 0.1 times 0.2 after 60, 120 and 160, Nesterov momentum, decay 5e-4.

arXiv 1605.07146, section 3, implementation details.
"""
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=1)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[60, 120, 160], gamma=0.2)
auto_scale_lr = dict(base_batch_size=128)

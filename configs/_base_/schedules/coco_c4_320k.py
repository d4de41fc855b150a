"""240k iterations at 1e-3 and 80k at 1e-4, 8 images each: the ResNet paper's COCO training (recalled), end to end.

Inferred: weight decay 1e-4, and end-to-end training where that paper trains in four steps.
"""
train_cfg = dict(type='IterBasedTrainLoop', max_iters=320000, val_interval=40000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[240000], gamma=0.1)
auto_scale_lr = dict(base_batch_size=8)

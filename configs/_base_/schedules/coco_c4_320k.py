"""240k iterations at 1e-3 and 80k at 1e-4, 8 images each (ResNet paper, arXiv 1512.03385, appendix A), end to end.

Weight decay 5e-4 on all parameters, biases at twice the rate: Faster R-CNN (arXiv 1506.01497, section 3.1.3) and
Fast R-CNN (arXiv 1504.08083, section 2.3), to which that appendix refers. Inferred: both parts at once; they trained in
four steps, the second part on 16 images, and found "close results".
"""
train_cfg = dict(type='IterBasedTrainLoop', max_iters=320000, val_interval=40000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2.0))
param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[240000], gamma=0.1)
auto_scale_lr = dict(base_batch_size=8)

"""Pre-activation ResNets: batch 128, learning rate 0.1 divided by 10 at 32k and 48k of 64k iterations (164 epochs).

arXiv 1603.05027, appendix, with weight decay 1e-4 and a rate of 0.01 for the first 400 iterations.
"""
train_cfg = dict(by_epoch=True, max_epochs=164, val_interval=1)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='ConstantLR', by_epoch=False, factor=0.1, begin=0, end=400),
    dict(type='MultiStepLR', by_epoch=False, milestones=[32000, 48000], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=128)

"""270 epochs, batch 256, learning rate 0.1 divided by 10 after 125, 200 and 250 (SE paper, footnote of section 6)."""
_base_ = './imagenet_step_100e.py'

train_cfg = dict(max_epochs=270)
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = dict(milestones=[125, 200, 250])
auto_scale_lr = dict(base_batch_size=256)

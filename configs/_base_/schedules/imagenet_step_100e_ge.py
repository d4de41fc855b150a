"""100 epochs, batch 256, learning rate 0.1 divided by 10 every 30 (GE paper, section 4), the prototxts' multipliers."""
_base_ = './imagenet_step_100e.py'

optim_wrapper = dict(
    optimizer=dict(lr=0.1),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bias_lr_mult=2.0))
auto_scale_lr = dict(base_batch_size=256)

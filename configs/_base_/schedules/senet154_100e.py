"""SENet-154: batch 2048, learning rate 1.0 (SE paper, appendix).

Inferred: 100 epochs, divided by 10 every 30, and weight decay 1e-4, as the networks of section 5.1.
"""
_base_ = './imagenet_step_100e.py'

optim_wrapper = dict(optimizer=dict(lr=1.0))
auto_scale_lr = dict(base_batch_size=2048)

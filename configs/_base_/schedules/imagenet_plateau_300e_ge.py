"""The plateau schedule with the multipliers of the GE prototxts: no weight decay on norms and biases, biases at twice
the learning rate."""
_base_ = './imagenet_plateau_300e.py'

optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bias_lr_mult=2.0))

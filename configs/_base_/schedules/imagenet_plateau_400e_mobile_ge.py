"""The mobile plateau schedule with the multipliers of the GE prototxts; see imagenet_plateau_300e_ge.py."""
_base_ = './imagenet_plateau_400e_mobile.py'

optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bias_lr_mult=2.0))

"""Shake-Even 29 2x4x64d: as Shake-Shake, with batch 32, learning rate 0.025 and weight decay 5e-4 (same README)."""
_base_ = './cifar_shake_1800e.py'

optim_wrapper = dict(optimizer=dict(lr=0.025, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=32)

"""CIFAR-100: four zero pixels on each side, random crop, mirror, mean and standard deviation; batches of 128.

Both papers' "standard data augmentation". Data: data/cifar100/cifar-100-python.
"""
_base_ = 'mmpretrain::_base_/datasets/cifar100_bs16.py'

train_dataloader = dict(batch_size=128, num_workers=4, persistent_workers=True, dataset=dict(download=False))
val_dataloader = dict(batch_size=256, persistent_workers=True, dataset=dict(download=False))
test_dataloader = dict(batch_size=256, persistent_workers=True, dataset=dict(download=False))

"""A small plain ResNet on cluttered digits: the baseline of the other classifiers here; seconds on one CPU core.

    se-backbones data digits --kind cluttered
    se-backbones train configs/digits/ablation/classifier_plain.py
    se-backbones analyse sweep configs/digits/ablation/classifier.toml      # all of them, five seeds each
"""
_base_ = [
    '../../_base_/models/resnet11_cluttered.py', '../../_base_/datasets/cluttered_digits.py',
    '../../_base_/schedules/cluttered_adamw_6e.py', '../../_base_/classification_runtime.py'
]

# A run takes seconds: nothing is saved.
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False, save_best=None))

"""Plain pre-activation ResNet-14 of width 16 on Fashion-MNIST: the baseline of the other configs here.

    se-backbones data fashion-mnist FOLDER_OF_THE_FILES
    se-backbones train configs/fashion_mnist/preresnet14_plain.py
    se-backbones analyse sweep configs/fashion_mnist/operators.toml     # all of them, five seeds each
"""
_base_ = [
    '../_base_/models/fashion_mnist_classifier.py', '../_base_/datasets/fashion_mnist.py',
    '../_base_/schedules/fashion_mnist_onecycle_8e.py', '../_base_/classification_runtime.py'
]

model = dict(backbone=dict(depth=14))
# Nothing is chosen by the test images: the last epoch counts.
default_hooks = dict(checkpoint=dict(save_best=None))

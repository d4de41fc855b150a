"""A CIFAR classifier without its backbone: ten classes, 64 features as of ResNet-110."""
_base_ = './classifier.py'

model = dict(head=dict(num_classes=10, in_channels=64))

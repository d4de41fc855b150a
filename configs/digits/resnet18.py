"""Plain ResNet-18 of a quarter of the width on single digits: the baseline of resnet18_{se,ge}.py.

    se-backbones data digits --kind digits
    se-backbones train configs/digits/resnet18.py                   # under two minutes on two CPU cores
"""
_base_ = ['../_base_/datasets/single_digits.py', '../_base_/default_runtime.py']

default_scope = 'mmpretrain'

model = dict(
    type='ImageClassifier',
    backbone=dict(type='se_backbones.ResNet', depth=18, base_channels=16),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        # cal_acc: the training accuracy is logged beside the loss, for se-backbones analyse logs.
        type='LinearClsHead', num_classes=10, in_channels=128, cal_acc=True,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))

train_cfg = dict(by_epoch=True, max_epochs=15, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05))
param_scheduler = dict(type='CosineAnnealingLR', T_max=15, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6)
# The accuracy of all images since the line before, not of the last 64.
log_processor = dict(custom_cfg=[dict(data_src='accuracy_top-1', method_name='mean', window_size=10)])
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])

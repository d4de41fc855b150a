"""GE in a detector as people train one: a loaded backbone that keeps its statistics, new operators, two images in a step.

    se-backbones train configs/digits/gather_norms/ge_bn.py    # after start.py

At extent 2 the gather norms of the three stages that train see 288, 72 and 18 values of a channel in a step.
"""
_base_ = ['./start.py']

model = dict(backbone=dict(
    frozen_stages=1, norm_eval=True,
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/start/epoch_5.pth', prefix='backbone.'),
    context=dict(
        op=dict(type='GatherExcite', variant='theta', extent=2, norm_cfg=dict(type='BN')),
        stages=(False, True, True, True))))

data_root = 'data/hard_digit_scenes/'
train_dataloader = dict(batch_size=2, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = val_evaluator

# Eight images have 1.5e-3.
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=4, val_interval=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', begin=0, end=4, T_max=4, by_epoch=True, convert_to_iter_based=True, eta_min=1e-6),
]
default_hooks = dict(checkpoint=dict(interval=4))

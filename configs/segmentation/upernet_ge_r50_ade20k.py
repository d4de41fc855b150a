"""UPerNet, GE (theta, extent 8) ResNet-50, ADE20K, 80,000 iterations of 16 crops of 512x512.

    tools/dist_train.sh configs/segmentation/upernet_ge_r50_ade20k.py 4

Cost: 4 GPUs x 18 hours (estimate: three times the forward multiply-adds, 7 TFLOP/s a GPU in float32).
"""
_base_ = __import__('se_backbones').config_path(
    'mmseg::upernet/upernet_r50_4xb4-80k_ade20k-512x512.py')

model = dict(backbone=dict(
    type='se_backbones.ResNetV1c',
    context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))
# Each GPU's gather norms see other images; without this the statistics drift apart and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

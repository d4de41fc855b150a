"""DeepLabV3, GE (theta, extent 8) ResNet-50, stride 8, ADE20K, 80,000 iterations of 16 crops of 512x512.

    tools/dist_train.sh configs/segmentation/deeplabv3_ge_r50_ade20k.py 4

In the dilated stages an extent of 8 covers 64 pixels of the image; at stride 32 it would be 256.

Cost: 4 GPUs x 20 hours (estimate: three times the forward multiply-adds, 7 TFLOP/s a GPU in float32).
"""
_base_ = __import__('se_backbones').config_path(
    'mmseg::deeplabv3/deeplabv3_r50-d8_4xb4-80k_ade20k-512x512.py')

model = dict(backbone=dict(
    type='se_backbones.ResNetV1c',
    context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))
# Each GPU's gather norms see other images; without this the statistics drift apart and rank 0's are saved.
custom_hooks = [dict(type='SyncBuffersHook')]

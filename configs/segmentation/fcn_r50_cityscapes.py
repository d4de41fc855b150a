"""FCN, plain ResNet-50, stride 8, Cityscapes, 40,000 iterations of 8 crops of 512x1024: the baseline of fcn_{se,ge}_r50_cityscapes.py.

mmseg's own config on our ResNetV1c, which is the same network: mmseg reports mIoU 72.25.

    tools/dist_train.sh configs/segmentation/fcn_r50_cityscapes.py 4
"""
_base_ = __import__('se_backbones').config_path(
    'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py')

model = dict(backbone=dict(type='se_backbones.ResNetV1c'))

"""PSPNet, plain ResNet-50, stride 8, ADE20K, 80,000 iterations of 16 crops of 512x512: the baseline of pspnet_{se,ge}_r50_ade20k.py.

mmseg's own config on our ResNetV1c, which is the same network: mmseg reports mIoU 41.13.

    tools/dist_train.sh configs/segmentation/pspnet_r50_ade20k.py 4
"""
_base_ = __import__('se_backbones').config_path(
    'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py')

model = dict(backbone=dict(type='se_backbones.ResNetV1c'))

"""UPerNet, plain ResNet-50, ADE20K, 80,000 iterations of 16 crops of 512x512.

The baseline of upernet_{se,ge}_r50_ade20k.py. It is mmseg's own config on our ResNetV1c, the same network;
mmseg reports mIoU 40.70.

    tools/dist_train.sh configs/segmentation/upernet_r50_ade20k.py 4

Cost: 4 GPUs x 18 hours (estimate: three times the forward multiply-adds, 7 TFLOP/s a GPU in float32).
"""
_base_ = __import__('se_backbones').config_path(
    'mmseg::upernet/upernet_r50_4xb4-80k_ade20k-512x512.py')

model = dict(backbone=dict(type='se_backbones.ResNetV1c'))

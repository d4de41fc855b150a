"""FCN, SE ResNet-50, stride 8, Cityscapes, 40,000 iterations of 8 crops of 512x1024.

    tools/dist_train.sh configs/segmentation/fcn_se_r50_cityscapes.py 4

Cost: 4 GPUs x 8 hours (estimate: three times the forward multiply-adds, 7 TFLOP/s a GPU in float32).
"""
_base_ = __import__('se_backbones').config_path(
    'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py')

model = dict(backbone=dict(
    type='se_backbones.ResNetV1c',
    context=dict(op=dict(type='SqueezeExcite', ratio=16))))

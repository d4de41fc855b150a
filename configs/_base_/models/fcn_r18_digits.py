"""FCN on crops of 96 px: a ResNet-18 of half the width whose last stage is dilated, and a head that sees all four stages.

The strokes of a digit are about five pixels wide, too thin for a map of stride 8 or 16 alone, so that the head works at the
first stage's stride of 4, as the skip connections of FCN (arXiv 1411.4038, section 4.2) provide.
"""
norm_cfg = dict(type='BN')
# Seven of eight pixels are ground. At full weight the network calls everything ground for epochs; at 0.3 it drew digits wider
# than they are.
class_weight = [0.6] + [1.0] * 10

model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', size=(96, 96), mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True, pad_val=0, seg_pad_val=0),
    backbone=dict(
        type='se_backbones.ResNet', depth=18, base_channels=32, out_indices=(0, 1, 2, 3), strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2)),
    decode_head=dict(
        type='FCNHead', in_channels=[32, 64, 128, 256], in_index=[0, 1, 2, 3], input_transform='resize_concat',
        channels=128, num_convs=1, kernel_size=1, concat_input=False, dropout_ratio=0.0, num_classes=11,
        norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, class_weight=class_weight)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

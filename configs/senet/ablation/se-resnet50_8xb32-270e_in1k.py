"""SE-ResNet-50, 270 epochs.

SE section 6, footnote, row "SE-ResNet-50": 22.20 / 6.00.

    tools/dist_train.sh configs/senet/ablation/se-resnet50_8xb32-270e_in1k.py 8

Cost: about 8 Titan X x 78 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32-270e_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16, bias=False))))

"""SE-ResNet-50 of the SE paper's ablations, with the augmentation of the authors' repository.

SE section 6, other augmentation, row "SE-ResNet-50": 22.28 / 6.03.

    tools/dist_train.sh configs/senet/ablation/se-resnet50_8xb32-plateau-jitter_in1k.py 8

Cost: about 8 Titan X x 87 hours (estimate, see the README).
"""
_base_ = './resnet50_8xb32-plateau-jitter_in1k.py'

model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=16, bias=False))))

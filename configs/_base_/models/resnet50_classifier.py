"""ResNet-50 as in the prototxts of both papers: stride in the first 1x1, Caffe's stem pool, no zero initialisation."""
_base_ = './classifier.py'

model = dict(backbone=dict(
    type='se_backbones.ResNet', depth=50, style='caffe', stem_pool='caffe', zero_init_residual=False))

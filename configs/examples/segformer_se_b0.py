"""SegFormer-B0 with SE after the blocks of its Mix Transformer."""
_base_ = __import__('se_backbones').config_path('mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py')

model = dict(backbone=dict(
    _delete_=True, type='se_backbones.WithContext', backbone=_base_.model.backbone,
    context=dict(op=dict(type='SqueezeExcite', ratio=4), after=r'layers\.\d\.1\.\d')))

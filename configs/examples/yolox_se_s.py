"""YOLOX-s with SE after the last blocks of CSPDarknet, inserted into its COCO weights without changing a number.

The log says so while the weights load. Docs: docs/any_backbone.md.
"""
_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'

model = dict(backbone=dict(
    _delete_=True, type='se_backbones.WithContext', backbone=_base_.model.backbone,
    context=dict(op=dict(type='SqueezeExcite', ratio=16), after=r'stage[234]\.\d')))
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/' \
            'yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'

"""SENet-154 trained at 224 pixels and tested at 320.

SE Table VIII, row "SENet-154, 320 pixels": 17.28 / 3.79.

Inferred: the shorter side of 366, in the proportion of 256 to 224.

    se-backbones test configs/senet/senet154/senet154-frozen-bn-test-320_64xb32_in1k.py work_dirs/senet154-frozen-bn_64xb32_in1k/epoch_100.pth

Cost: minutes.
"""
_base_ = ['./senet154-frozen-bn_64xb32_in1k.py']

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=366, edge='short'),
    dict(type='CenterCrop', crop_size=320),
    dict(type='PackInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

"""SENet-154 trained at 224 pixels and tested at 320.

SE Table VIII, row "SENet-154, 320 pixels": 17.28 / 3.79.

The paper does not state the shorter side. 366 is inferred, in the proportion of 256 to 224; 320 is that of the ResNets in
the same table (arXiv 1603.05027, section 5). Test with both:

    se-backbones test configs/senet/senet154/senet154-frozen-bn-test-320_64xb32_in1k.py work_dirs/senet154-frozen-bn_64xb32_in1k/epoch_100.pth
    se-backbones test configs/senet/senet154/senet154-frozen-bn-test-320_64xb32_in1k.py work_dirs/senet154-frozen-bn_64xb32_in1k/epoch_100.pth --cfg-options test_dataloader.dataset.pipeline.1.scale=320

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

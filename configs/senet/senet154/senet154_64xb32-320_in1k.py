"""SENet-154 on ImageNet, trained and tested at 320 pixels.

SE Table IX, row "SENet-154, 320 pixels": 16.88 / 3.58.

The paper states the crop alone ("trained with a crop size of 320x320"). Inferred: the recipe at 224 pixels, with norms that
are not frozen at the end, and tests out of a shorter side of 366. Test out of 320, as the ResNets of Table VIII, as well:
`se-backbones test` with `--cfg-options test_dataloader.dataset.pipeline.1.scale=320`.

    tools/dist_train.sh configs/senet/senet154/senet154_64xb32-320_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=8

Cost: about 8 Titan X x 318 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/senet154_classifier.py', '../../_base_/datasets/imagenet_320_jitter.py',
    '../../_base_/schedules/senet154_100e.py', '../../_base_/classification_runtime.py',
]

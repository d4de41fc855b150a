"""SENet-154 on ImageNet, trained and tested at 320 pixels.

SE Table IX, row "SENet-154, 320 pixels": 16.88 / 3.58.

The recipe is that at 224 pixels, with norms that are not frozen at the end.

    tools/dist_train.sh configs/senet/senet154/senet154_64xb32-320_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=8

Cost: about 8 Titan X x 318 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/senet154_classifier.py', '../../_base_/datasets/imagenet_320_jitter.py',
    '../../_base_/schedules/senet154_100e.py', '../../_base_/classification_runtime.py',
]

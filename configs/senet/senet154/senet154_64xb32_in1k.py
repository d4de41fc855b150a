"""SENet-154 on ImageNet, epochs 1 to 95.

SE Table VIII, row "SENet-154, 224 pixels, epochs 1 to 95" (no number is printed).

The augmentation is that of the authors' repository, which publishes this model; 95 of 100 epochs is inferred.

    tools/dist_train.sh configs/senet/senet154/senet154_64xb32_in1k.py 8 --cfg-options optim_wrapper.accumulative_counts=8

Cost: about 8 Titan X x 156 hours (estimate, see the README).
"""
_base_ = [
    '../../_base_/models/senet154_classifier.py', '../../_base_/datasets/imagenet_224_jitter.py',
    '../../_base_/schedules/senet154_100e.py', '../../_base_/classification_runtime.py',
]

# Epoch 95 is where senet154-frozen-bn_64xb32_in1k.py goes on.
default_hooks = dict(checkpoint=dict(interval=5, max_keep_ckpts=2))

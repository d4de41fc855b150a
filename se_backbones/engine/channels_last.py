"""Training in channels_last, which on CPUs and with tensor cores is the faster layout of most convolutions."""

import torch
from mmengine.hooks import Hook

from se_backbones.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lay out the convolutions' weights as ``(N, H, W, C)``; torch then lays out the maps alike, whatever the images.

    ``custom_hooks=[dict(type='se_backbones.ChannelsLastHook')]``. What is computed is the same but for rounding.
    """

    def before_train(self, runner) -> None:
        runner.model.to(memory_format=torch.channels_last)

    before_val = before_test = before_train

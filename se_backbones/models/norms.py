"""Norms under mmcv's names."""

from mmcv.cnn import build_norm_layer
from torch import nn


def add_norm(module: nn.Module, norm_cfg: dict, channels: int, number: int | str = '') -> str:
    """Add a norm to a module under mmcv's name for it, such as ``bn2`` or ``gn2`` for number 2; return the name."""
    name, norm = build_norm_layer(norm_cfg, channels, postfix=number)
    module.add_module(name, norm)
    return name

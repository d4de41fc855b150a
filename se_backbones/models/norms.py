"""Norms under mmcv's names."""

from mmcv.cnn import build_norm_layer
from torch import nn


def add_norm(module: nn.Module, norm_cfg: dict, channels: int, number: int | str = '') -> str:
    """Add a norm to a module under mmcv's name for it, such as ``bn2`` or ``gn2`` for number 2; return the name.

    Raises:
        ValueError: It is none for maps of so many channels.
    """
    try:
        name, norm = build_norm_layer(norm_cfg, channels, postfix=number)
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f'norm_cfg={norm_cfg!r} makes no norm of {channels} channels: '
                         f'{str(error) or "it needs num_groups"}.') from error
    if type(norm) is nn.LayerNorm:
        raise ValueError(f"norm_cfg={norm_cfg!r} is a norm of token sequences. Maps need one such as dict(type='BN') "
                         "or dict(type='GN', num_groups=32).")
    module.add_module(name, norm)
    return name

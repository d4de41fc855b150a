"""Sizes of maps, channels and stages, as architectures derive them from each other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from se_backbones.utils.validation import positive_int

MapSize = tuple[int, int]


def strided(size: MapSize, stride: int) -> MapSize:
    """Return the size of a map after a "same"-padded layer of this stride: ceil(H / stride), ceil(W / stride)."""
    return (size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1


def unpadded(size: MapSize, stride: int) -> MapSize:
    """Return the size of a map after a 3x3 layer of this stride without padding."""
    return (size[0] - 3) // stride + 1, (size[1] - 3) // stride + 1


def halved(size: MapSize) -> MapSize:
    """Return the size of a map after Caffe's 3x3 max pool (stride 2, no padding, rounded up) or an average of 2x2."""
    return max(1, size[0] // 2), max(1, size[1] // 2)


def per_stage(key: str, value: Sequence | None, num_stages: int, default: Sequence) -> tuple:
    """Return ``value`` as a tuple with one entry per stage, or the default."""
    if value is None:
        return tuple(default)
    if not isinstance(value, (tuple, list)) or len(value) != num_stages:
        raise ValueError(f'{key} must have one entry for each of the {num_stages} stages, got {value!r}.')
    return tuple(value)


def stage_depths(depth: Sequence[int], like: Sequence[int], what: str) -> tuple[int, ...]:
    """Return ``depth``, the number of units of each stage.

    Args:
        depth: As a config has it.
        like: The published one, which has as many stages.
        what: What the numbers count, for the message.

    Raises:
        ValueError: It is not a tuple of as many ints of at least 1.
    """
    if not isinstance(depth, (tuple, list)) or len(depth) != len(like):
        raise ValueError(f'depth must be a tuple with the {what}, such as {tuple(like)}, got {depth!r}.')
    return tuple(positive_int('depth[...]', count) for count in depth)


def first_stages(blocks: Sequence[int], num_stages: int | None, depth: int | Sequence[int]) -> tuple[int, ...]:
    """Return the blocks of the first ``num_stages`` stages, or of all.

    Raises:
        ValueError: ``depth`` does not have so many.
    """
    if num_stages is not None and num_stages > len(blocks):
        raise ValueError(f'num_stages={num_stages} is more than the {len(blocks)} stages of depth={depth}.')
    return tuple(blocks[:num_stages])


def widened(channels: int, widen_factor: float) -> int:
    """Return ``max(1, int(channels * widen_factor))``."""
    return max(1, int(channels * widen_factor))


def rounded_to_8(channels: float) -> int:
    """Return the nearest multiple of 8, or the next one where that would lose more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def empty_image(backbone: nn.Module) -> Tensor:
    """Return zeros ``(1, C, H, W)`` that a backbone takes: of the size that it is made for, or else 224 px."""
    size = getattr(backbone, 'input_size', None) or getattr(backbone, 'img_size', None) or 224
    weight = next(backbone.parameters(), torch.empty(0))
    return weight.new_zeros(1, input_channels(backbone), *((size, size) if isinstance(size, int) else size))


def input_channels(model: nn.Module) -> int:
    """Return the channels that a model takes: what its backbone says, if it is ours, or those of the first convolution.
    """
    ours = next((module.in_channels for module in model.modules() if hasattr(module, 'feature_info')
                 and isinstance(getattr(module, 'in_channels', None), int)), None)
    return ours or next((weight.shape[1] for weight in model.parameters() if weight.dim() == 4), 3)

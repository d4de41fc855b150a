"""The metadata of an exported file: how to prepare an image, and what the file does itself."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from se_backbones.lab.export.images import Images
from se_backbones.lab.inference.reading import transforms_of

# The arguments by which a transform of mmcv or mmpretrain changes an image.
_ARGUMENTS = ('scale', 'scale_factor', 'keep_ratio', 'edge', 'crop_size', 'auto_pad', 'size', 'size_divisor',
              'interpolation', 'backend')


def image_facts(images: Images, order: str) -> dict[str, Any]:
    """Return the channel order of the input, and what the file itself does to an image."""
    swapped = {'bgr': 'rgb', 'rgb': 'bgr'}
    return dict(channel_order=order, inside=dict(
        channel_order=swapped.get(order, order) if images.swaps_channels else order, mean=_short(images.mean),
        std=_short(images.std), pad_size_divisor=images.divisor))


def pipeline_facts(batches: Iterable[dict]) -> list[dict[str, Any]]:
    """Return what the test pipeline does to an image between reading and packing, ``[dict(type='Resize', ...), ...]``.

    Args:
        batches: A loader of the test set, or any batches, of which nothing is known.
    """
    return [step_facts(transform) for transform in transforms_of(batches)
            if not type(transform).__name__.startswith(('Load', 'Pack'))]


def step_facts(transform: Any) -> dict[str, Any]:
    """Return the type of a transform, and its arguments."""
    found = {key: getattr(transform, key, None) for key in _ARGUMENTS}
    return dict(type=type(transform).__name__, **{key: value for key, value in found.items() if value is not None
                                                    and (value or key != 'auto_pad')})


def _short(values: Tensor) -> list[float]:
    """Return float32 numbers as they were written in a config."""
    return [float(f'{value:.6g}') for value in values.flatten().tolist()]

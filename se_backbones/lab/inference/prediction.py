"""What goes into a prediction and what comes out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import mmcv
import numpy as np


class Frame(NamedTuple):
    """An image that lies in no file of its own.

    Attributes:
        name: Stands for the file's name.
        pixels: ``(H, W, 3)`` uint8, BGR.
    """

    name: str
    pixels: np.ndarray


@dataclass
class Prediction:
    """What a model says of one image.

    Attributes:
        image: The file, or the frame's name.
        drawn: The picture with the predictions in it, ``(H, W, 3)`` uint8, RGB.
        objects: Per object or class, best first: ``dict(label=..., number=..., score=..., [box=..., mask=...])``. The
            number is the label's index in the model's classes, a box ``[x1, y1, x2, y2]`` in pixels, a mask ``(H, W)``
            bool. The score of a segment, or of a segmentor's class, is the part of the image that it covers.
    """

    image: str
    drawn: np.ndarray
    objects: list[dict] = field(default_factory=list)


Image = str | Frame


def name_of(image: Image) -> str:
    return image.name if isinstance(image, Frame) else image


def source_of(image: Image) -> str | np.ndarray:
    """Return the image as the hosts' functions take it."""
    return image.pixels if isinstance(image, Frame) else image


def picture_of(image: Image) -> np.ndarray:
    """Return the image to draw in, ``(H, W, 3)`` uint8, RGB."""
    return image.pixels[..., ::-1] if isinstance(image, Frame) else mmcv.imread(image, channel_order='rgb')


def batches_of(images: Iterable[Image], size: int) -> Iterator[list[Image]]:
    """Yield lists of ``size`` images, the last one perhaps shorter; images are taken when they are needed."""
    images = iter(images)
    while batch := list(islice(images, size)):
        yield batch

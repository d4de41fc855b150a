"""What goes into a prediction and what comes out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import mmcv
import numpy as np

from se_backbones.lab.inference.drawing import draw


class Frame(NamedTuple):
    """An image that lies in no file of its own.

    Attributes:
        name: Stands for the file's name.
        pixels: ``(H, W, 3)`` uint8, BGR.
    """

    name: str
    pixels: np.ndarray


Image = str | Frame


@dataclass
class Prediction:
    """What a model says of one image.

    Attributes:
        source: The image's file, or the frame.
        objects: Per object or class, best first: ``dict(label=..., number=..., score=..., [box=..., mask=...])``. The
            number is the label's index in the model's classes, a box ``[x1, y1, x2, y2]`` in pixels, a mask ``(H, W)``
            bool. The score of a segment, or of a segmentor's class, is the part of the image that it covers.
        palette: RGB colours of the classes, if the data set has some.
    """

    source: Image
    objects: list[dict] = field(default_factory=list)
    palette: Sequence[Sequence[int]] | str | None = None

    @property
    def image(self) -> str:
        """The file, or the frame's name."""
        return self.source.name if isinstance(self.source, Frame) else self.source

    @cached_property
    def drawn(self) -> np.ndarray:
        """The picture with the predictions in it, ``(H, W, 3)`` uint8, RGB; see :func:`draw`."""
        picture = self.source.pixels[..., ::-1] if isinstance(self.source, Frame) else \
            mmcv.imread(self.source, channel_order='rgb')
        return draw(picture, self.objects, self.palette)


def source_of(image: Image) -> str | np.ndarray:
    """Return the image as the hosts' functions take it."""
    return image.pixels if isinstance(image, Frame) else image


def batches_of(images: Iterable[Image], size: int) -> Iterator[list[Image]]:
    """Yield lists of ``size`` images, the last one perhaps shorter; images are taken when they are needed."""
    images = iter(images)
    while batch := list(islice(images, size)):
        yield batch

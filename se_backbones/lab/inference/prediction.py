"""What goes into a prediction and what comes out."""

import os.path as osp
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np

from se_backbones.lab.pictures.scenes import draw, sheet, write_picture


class Frame(NamedTuple):
    """An image that lies in no file of its own.

    Attributes:
        name: Stands for the file's name.
        pixels: ``(H, W, 3)`` uint8, BGR.
    """

    name: str
    pixels: np.ndarray


Image = str | Frame
TITLES = ('truth', 'prediction')


@dataclass
class Prediction:
    """What a model says of one image.

    Attributes:
        source: The image's file, or the frame.
        objects: Per object or class, best first: ``dict(label=..., number=..., score=..., [box=..., mask=...])``. The
            number is the label's index in the model's classes, a box ``[x1, y1, x2, y2]`` in pixels, a mask ``(H, W)``
            bool. The score of a segment, or of a segmentor's class, is the part of the image that it covers.
        colours: RGB, from 0 to 255, of each class; None: chosen for the classes that are found.
        truth: What is annotated, in the form of ``objects``; None: unknown.
    """

    source: Image
    objects: list[dict] = field(default_factory=list)
    colours: Sequence[Sequence[int]] | None = None
    truth: list[dict] | None = None

    @property
    def image(self) -> str:
        """The file, or the frame's name."""
        return name_of(self.source)

    @cached_property
    def drawn(self) -> np.ndarray:
        """The picture with the predictions in it, beside one with the truth where that is known; uint8, RGB."""
        pictures = self.pictures
        return sheet([pictures], list(TITLES)) if len(pictures) > 1 else pictures[0]

    @property
    def pictures(self) -> list[np.ndarray]:
        """The picture with the truth, if it is known, and that with the predictions, ``(H, W, 3)`` uint8, RGB."""
        picture = self.source.pixels[..., ::-1] if isinstance(self.source, Frame) else \
            mmcv.imread(self.source, channel_order='rgb')
        return [draw(picture, objects, self.colours) for objects in (self.truth, self.objects) if objects is not None]


def drawn_files(images: Sequence[str], folder: str | Path) -> dict[str, Path]:
    """Return where each image is drawn to: to a new file in ``folder``, under its own name.

    Names that stand twice get their folder's before them, as in a folder of images to classify.

    Raises:
        FileExistsError: A file exists.
        ValueError: Two images have the same name still.
    """
    images = list(dict.fromkeys(images))
    times = Counter(Path(image).stem for image in images)
    files: dict[Path, str] = {}
    for image in images:
        path = Path(image)
        stem = path.stem if times[path.stem] == 1 else f'{path.parent.name}_{path.stem}'
        file = Path(folder) / f'{stem}.png'
        if osp.abspath(file) == osp.abspath(image):  # never over the image itself
            file = file.with_stem(f'{stem}_predicted')
        if file in files:
            raise ValueError(f'{files[file]} and {image} would both be drawn to {file}; draw them one after the other.')
        if file.exists():
            raise FileExistsError(f'{file} exists and is not overwritten; remove it or choose another folder.')
        files[file] = image
    return {image: file for file, image in files.items()}


def sheet_of(predictions: Iterable[Prediction], columns: int = 1, titles: Sequence[str] = TITLES,
             side: int | None = 512) -> np.ndarray:
    """Return the drawn pictures as one, the truth, where it is known, beside each prediction; uint8, RGB.

    Args:
        predictions: At least one. Where some have a truth, its place is white in the others.
        columns: Images side by side.
        titles: Of truth and prediction, at the top.
        side: Each picture's longer side in pixels, at most; None: as they are.
    """
    pictures = [prediction.pictures for prediction in predictions]
    pictures += [[]] * (-len(pictures) % columns)
    width = max(map(len, pictures))
    pictures = [[np.full((1, 1, 3), 255, np.uint8)] * (width - len(own)) + own for own in pictures]
    rows = [sum(pictures[start:start + columns], []) for start in range(0, len(pictures), columns)]
    return sheet(rows, [*titles] * columns if width > 1 else (), side)


def contact_sheet(predictions: Iterable[Prediction], file: str | Path, **options) -> Path:
    """Write :func:`sheet_of` predictions to a new file and return it.

    Raises:
        FileExistsError: The file exists.
    """
    return write_picture(sheet_of(predictions, **options), file)


def name_of(image: Image) -> str:
    """Return an image's file, or the frame's name."""
    return image.name if isinstance(image, Frame) else image


def name_among(names: Container[str], image: str) -> str | None:
    """Return the file name that annotations have for an image, with the folders that it names, or None."""
    parts = Path(image).parts
    return next((name for first in range(len(parts)) if (name := '/'.join(parts[first:])) in names), None)


def batches_of(images: Iterable[Image], size: int) -> Iterator[list[Image]]:
    """Yield lists of ``size`` images, the last one perhaps shorter; images are taken when they are needed."""
    images = iter(images)
    while batch := list(islice(images, size)):
        yield batch

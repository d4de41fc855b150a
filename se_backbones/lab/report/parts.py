"""What a page is made of: sections of tables, pictures and remarks, as plain data."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from se_backbones.lab.pictures.figures import legend_below, panels, rendered


@dataclass
class Table:
    """Rows under a head; ``words`` makes all columns text, otherwise all but the first are numbers.

    A long table is folded: a reader opens it.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False

    @property
    def folded(self) -> bool:
        """Whether the table is longer than a screen."""
        return len(self.rows) > 25


@dataclass
class Picture:
    """An image in the page itself; ``wide`` takes the whole width."""

    source: str
    caption: str
    wide: bool = False


@dataclass
class Section:
    """A chapter of the page: text, remarks, tables, pictures."""

    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The name of the section in links."""
        return self.title.lower().replace(' ', '-')


def chart(draw, caption: str, finish=legend_below) -> Picture:
    """Return what ``draw(axis)`` draws, with the names of its lines as ``finish(figure)`` puts them, as vectors."""
    figure, (axis,) = panels(1, size=(4.6, 3.3))
    draw(axis)
    finish(figure)
    return Picture(_data(rendered(figure, 'svg'), 'svg+xml'), caption)


def photograph(pixels: np.ndarray, caption: str, wide: bool = False) -> Picture:
    """Return RGB pixels ``(H, W, 3)`` as a JPEG picture."""
    _, encoded = cv2.imencode('.jpg', np.ascontiguousarray(pixels[..., ::-1]), (cv2.IMWRITE_JPEG_QUALITY, 88))
    return Picture(_data(encoded.tobytes(), 'jpeg'), caption, wide)


def png(file: str, caption: str, wide: bool = False) -> Picture:
    """Return a PNG file as a picture."""
    with open(file, 'rb') as stream:
        return Picture(_data(stream.read(), 'png'), caption, wide)


def _data(content: bytes, kind: str) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'

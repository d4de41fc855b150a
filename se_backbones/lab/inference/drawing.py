"""Pictures: enlarged ones to draw in, and files of drawn ones."""

import os.path as osp
from collections.abc import Iterable
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
import torch.nn.functional as F

from se_backbones.lab.inference.prediction import Prediction
from se_backbones.utils import atomic


def enlarged(picture: np.ndarray, side: int = 384) -> np.ndarray:
    """Return a small picture at ``side`` pixels: at 128 the labels would cover what was found."""
    return mmcv.imrescale(picture, max(1.0, side / max(picture.shape[:2])), interpolation='bicubic')


def resized(maps: torch.Tensor, picture: np.ndarray) -> torch.Tensor:
    """Return ``(N, h, w)`` maps of numbers or masks at the picture's size, without mixing neighbours."""
    if not len(maps):
        return maps.new_zeros(0, *picture.shape[:2])
    return F.interpolate(maps[None].double(), picture.shape[:2], mode='nearest-exact')[0].to(maps.dtype)


def write_picture(pixels: np.ndarray, file: str | Path) -> Path:
    """Write RGB pixels ``(H, W, 3)`` in the format of the file's suffix, making its folder, and return the file."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(file) as part:
        part.write_bytes(cv2.imencode(file.suffix, np.ascontiguousarray(pixels[..., ::-1]))[1])
    return file


def drawn_file(prediction: Prediction, folder: str | Path) -> Path:
    """Write the drawn picture into ``folder`` under the image's name, never over the image itself; return its path."""
    path = Path(folder) / f'{Path(prediction.image).stem}.png'
    if osp.abspath(path) == osp.abspath(prediction.image):
        path = path.with_stem(f'{path.stem}_predicted')
    return write_picture(prediction.drawn, path)


def contact_sheet(predictions: Iterable[Prediction], file: str | Path, columns: int = 4, side: int = 384) -> Path:
    """Write the drawn pictures as one sheet of ``columns`` columns and return the file.

    Args:
        predictions: At least one.
        file: The PNG to write.
        columns: Pictures side by side.
        side: Each picture's longer side in pixels.
    """
    cells = []
    for prediction in predictions:
        picture = mmcv.imrescale(prediction.drawn, (side, side), interpolation='area')
        cells.append(mmcv.impad(picture, shape=(side, side), pad_val=255))
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % columns)
    rows = [np.hstack(cells[start:start + columns]) for start in range(0, len(cells), columns)]
    return write_picture(np.vstack(rows), file)

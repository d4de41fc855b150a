"""Pictures of predictions, drawn by supervision, and files of them."""

import os.path as osp
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import mmcv
import numpy as np

from se_backbones.utils import atomic
from se_backbones.utils.extras import need

if TYPE_CHECKING:
    from se_backbones.lab.inference.prediction import Prediction

SIDE = 384  # smaller pictures are enlarged: at 128 pixels the labels would cover what was found


def draw(picture: np.ndarray, objects: Sequence[dict],
         palette: Sequence[Sequence[int]] | str | None = None) -> np.ndarray:
    """Return a picture, enlarged if it is small, with boxes, masks and labels in it, or with lines of text below it.

    Args:
        picture: ``(H, W, 3)`` uint8, RGB.
        objects: See :class:`Prediction`.
        palette: RGB values from 0 to 255 of each class; anything else: supervision's colours.

    Raises:
        ImportError: supervision is missing.
    """
    if objects and not {'box', 'mask'} & objects[0].keys():
        return _captioned(picture, objects)
    scale = max(1.0, SIDE / max(picture.shape[:2]))
    large = mmcv.imrescale(picture, scale, interpolation='bicubic')
    if not objects:
        return large
    need('Drawings', 'viz', 'supervision')
    import supervision as sv
    height, width = large.shape[:2]
    masks = [cv2.resize(found['mask'].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
             for found in objects if 'mask' in found]
    masks = np.array(masks, bool) if masks else None
    boxed = 'box' in objects[0]
    boxes = np.array([found['box'] for found in objects]) * scale if boxed else sv.mask_to_xyxy(masks)
    found = sv.Detections(boxes, masks, class_id=np.array([found['number'] for found in objects]))
    colours = sv.ColorPalette([sv.Color(*map(int, colour)) for colour in palette]) \
        if isinstance(palette, (list, tuple)) and palette else sv.ColorPalette.DEFAULT
    bright = [0.3 * colour.r + 0.59 * colour.g + 0.11 * colour.b > 110 for colour in colours.colors]
    ink = sv.ColorPalette([sv.Color.BLACK if black else sv.Color.WHITE for black in bright])
    scene = np.ascontiguousarray(large[..., ::-1])
    if masks is not None:
        scene = sv.MaskAnnotator(colours).annotate(scene, found)
    if boxed:
        scene = sv.BoxAnnotator(colours, sv.calculate_optimal_line_thickness((width, height))).annotate(scene, found)
    words = [f'{found["label"]} {found["score"]:.2f}' if boxed else found['label'] for found in objects]
    scene = sv.LabelAnnotator(
        colours, text_color=ink, text_scale=max(0.4, sv.calculate_optimal_text_scale((width, height))), text_padding=3,
        smart_position=True,  # inside the picture, and apart
        text_position=sv.Position.TOP_LEFT if boxed else sv.Position.CENTER_OF_MASS).annotate(scene, found, words)
    return scene[..., ::-1]


def _captioned(picture: np.ndarray, objects: Sequence[dict]) -> np.ndarray:
    """Return the picture with a line of text for each class below it."""
    picture = mmcv.imrescale(picture, max(1.0, 224 / max(picture.shape[:2])))
    lines = np.full((18 * len(objects) + 8, picture.shape[1], 3), 255, np.uint8)
    for number, found in enumerate(objects):
        cv2.putText(lines, f'{found["score"]:.3f} {found["label"]}', (6, 18 * number + 18), cv2.FONT_HERSHEY_SIMPLEX,
                    0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([picture, lines])


def write_picture(pixels: np.ndarray, file: str | Path) -> Path:
    """Write RGB pixels ``(H, W, 3)`` in the format of the file's suffix, making its folder, and return the file."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(file) as part:
        part.write_bytes(cv2.imencode(file.suffix, np.ascontiguousarray(pixels[..., ::-1]))[1])
    return file


def drawn_file(prediction: 'Prediction', folder: str | Path) -> Path:
    """Write the drawn picture into ``folder`` under the image's name, never over the image itself; return its path."""
    path = Path(folder) / f'{Path(prediction.image).stem}.png'
    if osp.abspath(path) == osp.abspath(prediction.image):
        path = path.with_stem(f'{path.stem}_predicted')
    return write_picture(prediction.drawn, path)


def contact_sheet(predictions: 'Iterable[Prediction]', file: str | Path, columns: int = 4, side: int = SIDE) -> Path:
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

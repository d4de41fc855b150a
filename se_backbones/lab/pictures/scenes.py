"""Pictures with what is in them: boxes and masks drawn by supervision, labels that can be read, and sheets of both."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from se_backbones.lab.pictures.colours import BLACK, ink, palette
from se_backbones.lab.pictures.labels import label_places
from se_backbones.utils import atomic
from se_backbones.utils.extras import need

SIDE = 384  # smaller pictures are enlarged: at 128 pixels the labels would cover what was found
TEXT = 17  # pixels of the em: the smallest text's capitals and digits are 12 pixels high
GAP = 10


def draw(picture: np.ndarray, objects: Sequence[dict], colours: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """Return a picture, enlarged if it is small, with boxes and masks in it, or with segments and a legend below.

    Args:
        picture: ``(H, W, 3)`` uint8, RGB.
        objects: See :class:`~se_backbones.lab.inference.Prediction`; classes without box and mask are written below.
        colours: RGB values from 0 to 255 of each class; None: :func:`palette`'s for as many as there are here.

    Raises:
        ImportError: supervision is missing.
    """
    scene = enlarged(picture)
    scale = scene.shape[0] / picture.shape[0]
    if not objects:
        return scene
    colours = colours or palette(1 + max(found['number'] for found in objects))
    if 'mask' in objects[0] or 'box' in objects[0]:
        need('Drawings', 'viz', 'supervision', 'matplotlib')
        scene = _annotated(scene, objects, colours, scale)
    if 'box' in objects[0]:
        return _labelled(scene, [np.array(found['box']) * scale for found in objects], objects, colours)
    return _with_legend(scene, objects, colours if 'mask' in objects[0] else None)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Return a copy of a picture in which labels are readable beside what they name."""
    scale = max(1.0, SIDE / max(picture.shape[:2]))
    return np.ascontiguousarray(mmcv.imrescale(picture, scale, interpolation='bicubic')).copy()


def _annotated(scene: np.ndarray, objects: Sequence[dict], colours: Sequence[Sequence[int]],
               scale: float) -> np.ndarray:
    """Return the scene, RGB, with masks and boxes."""
    import supervision as sv
    height, width = scene.shape[:2]
    masks = [cv2.resize(found['mask'].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
             for found in objects if 'mask' in found]
    masks = np.array(masks, bool) if len(masks) == len(objects) else None
    boxed = 'box' in objects[0]
    boxes = np.array([found['box'] for found in objects]) * scale if boxed else sv.mask_to_xyxy(masks)
    found = sv.Detections(boxes, masks, class_id=np.array([found['number'] for found in objects]))
    fill, edge = (sv.ColorPalette([sv.Color(*map(int, one)) for one in chosen])
                  for chosen in (colours, [ink(one) for one in colours]))
    line = max(2, max(width, height) // 400)
    scene = np.ascontiguousarray(scene[..., ::-1])
    if masks is not None:
        scene = sv.MaskAnnotator(fill, 0.4 if boxed else 0.6).annotate(scene, found)
        scene = sv.PolygonAnnotator(fill, line).annotate(scene, found)
    if boxed:  # with an edge, so that they are seen on any ground
        scene = sv.BoxAnnotator(edge, line + 2).annotate(scene, found)
        scene = sv.BoxAnnotator(fill, line).annotate(scene, found)
    return np.ascontiguousarray(scene[..., ::-1])


def _labelled(scene: np.ndarray, boxes: Sequence[np.ndarray], objects: Sequence[dict],
              colours: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the scene with a label for each box."""
    height, width = scene.shape[:2]
    font = text_font(max(TEXT, round(0.018 * max(height, width))))
    words = [words_of(found) for found in objects]
    high = sum(font.getmetrics())
    places = label_places(np.array(boxes), [(round(font.getlength(text)) + 8, high) for text in words], width, height)
    image = Image.fromarray(scene)
    pen = ImageDraw.Draw(image)
    for found, text, place in reversed(list(zip(objects, words, places.tolist(), strict=True))):  # the best on top
        ground = tuple(map(int, colours[found['number']]))
        pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=ground)
        pen.text((place[0] + 4, place[1]), text, fill=ink(ground), font=font)
    return np.array(image)


def _with_legend(scene: np.ndarray, objects: Sequence[dict], colours: Sequence[Sequence[int]] | None) -> np.ndarray:
    """Return the scene above a table of the classes in it, with their colours if there are some."""
    font = text_font(max(TEXT, round(0.018 * max(scene.shape[:2]))))
    line = sum(font.getmetrics()) + 4
    words = [words_of(found) for found in objects]
    swatch = line if colours else 0
    cell = swatch + 2 * GAP + max(round(font.getlength(text)) for text in words)
    columns = max(1, scene.shape[1] // cell)
    table = Image.new('RGB', (scene.shape[1], GAP + line * -(-len(words) // columns)), 'white')
    pen = ImageDraw.Draw(table)
    for index, (found, text) in enumerate(zip(objects, words, strict=True)):
        x, y = index % columns * cell, GAP // 2 + index // columns * line
        if colours:
            pen.rectangle((x, y + 3, x + line - 6, y + line - 4), fill=tuple(map(int, colours[found['number']])))
        pen.text((x + swatch, y + 2), text, fill=BLACK, font=font)
    return np.vstack([scene, np.array(table)])


def words_of(found: dict) -> str:
    """Return the label of an object or a class: its name, and two digits of its score if it has one."""
    return f'{found["label"]} {found["score"]:.2f}' if 'score' in found else found['label']


def text_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return matplotlib's own font, which writes most alphabets, at ``size`` pixels."""
    import matplotlib
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)


def sheet(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str] = (), side: int | None = None) -> np.ndarray:
    """Return pictures in rows and columns on white, each column under its title.

    Args:
        rows: RGB pictures ``(H, W, 3)``, as many in each row.
        titles: Of the columns; none: no line for them.
        side: The longest side of a picture in pixels, larger ones are reduced; None: they stay as they are.
    """
    def fitted(picture):
        return picture if side is None or max(picture.shape[:2]) <= side else \
            mmcv.imrescale(picture, (side, side), interpolation='area')
    rows = [[fitted(picture) for picture in row] for row in rows]
    wide = [max(row[column].shape[1] for row in rows) for column in range(len(rows[0]))]
    high = [max(picture.shape[0] for picture in row) for row in rows]
    font = text_font(max(TEXT + 2, round(0.018 * max(wide))), bold=True)
    head = sum(font.getmetrics()) + GAP // 2 if titles else 0
    image = Image.new('RGB', (sum(wide) + GAP * (len(wide) - 1), head + sum(high) + GAP * (len(high) - 1)), 'white')
    pen = ImageDraw.Draw(image)
    for column in range(len(wide)):
        x = sum(wide[:column]) + GAP * column
        if titles:
            pen.text((x + wide[column] / 2, 0), titles[column], fill=BLACK, font=font, anchor='ma')
        for index, row in enumerate(rows):
            image.paste(Image.fromarray(row[column]), (x, head + sum(high[:index]) + GAP * index))
    return np.array(image)


def write_picture(pixels: np.ndarray, file: str | Path) -> Path:
    """Write RGB pixels ``(H, W, 3)`` to a new file, in the format of its suffix, making its folder; return the file.

    Raises:
        FileExistsError: The file exists.
    """
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(file, new=True) as part:
        part.write_bytes(cv2.imencode(file.suffix, np.ascontiguousarray(pixels[..., ::-1]))[1])
    return file

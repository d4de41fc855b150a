"""Tree crowns on aerial photographs, out of the wheel of deepforest 2.1.0, as a COCO dataset.

Four scenes of the National Ecological Observatory Network (NEON), 10 cm a pixel, with the boxes of 951 crowns. They are
cut into tiles, ``<root>/{train,val,test}/<scene>_<x>_<y>.png``, which ``<root>/annotations/instances_<split>.json``
describe.

A scene's upper third is held out, so that no pixel of it is trained on: every other column of tiles is for validation,
those between for tests. Training tiles overlap by half, the others not at all.

Sources and licences (also in ``info`` and ``licenses`` of the annotation files):

* boxes, and the package that brings all: B. Weinstein et al., DeepForest, Methods in Ecology and Evolution 11, 2020,
  https://doi.org/10.1111/2041-210X.13472; MIT;
* photographs: NEON's camera imagery of the sites YELL, OSBS and SOAP. NEON releases its data under CC0 1.0 and asks to
  be named, https://www.neonscience.org/data-samples/data-policies-citation; the package itself does not speak of the
  photographs' licence. A fifth one in it, AWPE, of which it does not say whose it is, is left alone.
"""

import io
import json
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from se_backbones.lab.made_folder import MadeFolder, make_folder

VERSION = 1  # raise it when the same wheel gives other files
WHEEL = 'deepforest-2.1.0-py3-none-any.whl'
SCENES = {'YELL_528000': '2019_YELL_2_528000_4978000_image_crop2',
          'YELL_541000': '2019_YELL_2_541000_4977000_image_crop', 'OSBS_029': 'OSBS_029', 'SOAP_061': 'SOAP_061'}
SPLITS = ('train', 'val', 'test')
TILE = 160
# What is left of a crown at the edge of a tile: less is neither an object nor ground, COCO's iscrowd.
LEAST_VISIBLE = 0.5

INFO = {
    'description': 'Tree crowns: tiles of four NEON scenes, made by se_backbones from the wheel of deepforest 2.1.0',
    'version': str(VERSION),
    'url': 'https://doi.org/10.1111/2041-210X.13472',
    'contributor': 'boxes: B. Weinstein et al., DeepForest; photographs: National Ecological Observatory Network '
    '(NEON), sites YELL, OSBS and SOAP',
}
LICENSES = [
    {'id': 1, 'name': 'MIT (the package deepforest)', 'url': 'https://opensource.org/license/mit'},
    {'id': 2, 'name': "CC0 1.0 (NEON's data policy: photographs)",
     'url': 'https://creativecommons.org/publicdomain/zero/1.0/'},
]


def make_tree_crowns(root, wheel=WHEEL, force: bool = False) -> MadeFolder:
    """Make the tiles and their annotation files in ``root``, or find them there.

    Args:
        root (str | Path): The folder to make.
        wheel (str | Path): The wheel of deepforest 2.1.0, or the folder into which it was unpacked.
        force (bool): Replace a folder that another version of this function made.

    Returns:
        MadeFolder: Root, whether it was made now, and per split the counts of ``images`` and ``crowns``.

    Raises:
        FileNotFoundError: There is no such wheel.
        ValueError: It is not that of deepforest 2.1.0, or damaged.
        FileExistsError: ``root`` holds something else, or (without ``force``) files of another version.
    """
    return make_folder(root, 'tree_crowns', VERSION, {}, lambda folder: _write(folder, wheel), force)


def corners(width: int, height: int) -> dict[str, list[tuple[int, int]]]:
    """Return the upper left corners ``(x, y)`` of a scene's tiles for each split.

    Args:
        width, height: Of the scene in pixels, at least two tiles each.
    """
    held_out = max(1, height // TILE // 3) * TILE
    columns = [range(first, width - TILE + 1, 2 * TILE) for first in (0, TILE)]
    return {'train': [*product(_half_steps(0, width), _half_steps(held_out, height))],
            **{split: [*product(xs, range(0, held_out, TILE))] for split, xs in zip(('val', 'test'), columns)}}


def _half_steps(start: int, end: int) -> list[int]:
    return [*range(start, end - TILE, TILE // 2), end - TILE]


def _write(root: Path, wheel: str | Path) -> dict:
    content = {split: {'info': INFO, 'licenses': LICENSES, 'images': [], 'annotations': [],
                       'categories': [{'id': 1, 'name': 'tree', 'supercategory': 'plant'}]} for split in SPLITS}
    for folder in (*SPLITS, 'annotations'):
        (root / folder).mkdir()
    for scene, image, boxes in _scenes(wheel):
        for split, places in corners(image.width, image.height).items():
            for x, y in places:
                _add(root / split, content[split], image.crop((x, y, x + TILE, y + TILE)), scene, (x, y), boxes)
    for split, data in content.items():
        (root / 'annotations' / f'instances_{split}.json').write_text(json.dumps(data) + '\n')
    return {split: {'images': len(data['images']), 'crowns': sum(not a['iscrowd'] for a in data['annotations'])}
            for split, data in content.items()}


def _scenes(wheel: str | Path) -> Iterator[tuple[str, Image.Image, np.ndarray]]:
    """Yield name, image and boxes ``(N, 4)`` as x1 y1 x2 y2 of each scene."""
    path = Path(wheel).expanduser()
    if not path.exists():
        raise FileNotFoundError(f'There is no {wheel}; get it with: pip download --no-deps deepforest==2.1.0')
    try:
        inside = path if path.is_dir() else zipfile.Path(path)
    except zipfile.BadZipFile:
        raise ValueError(f'{wheel} is not a wheel.') from None
    if not (inside / 'deepforest-2.1.0.dist-info').is_dir():
        raise ValueError(f'{wheel} is not deepforest 2.1.0, as it has no deepforest-2.1.0.dist-info; get it with: '
                         'pip download --no-deps deepforest==2.1.0')
    for scene, name in SCENES.items():
        data = inside / 'deepforest' / 'data'
        yield scene, _parsed(data / f'{name}.png', wheel, _image), _parsed(data / f'{name}.xml', wheel, _boxes)


def _parsed(file: Path | zipfile.Path, wheel: str | Path, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(file.read_bytes())
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file fails in as many ways as its reader can
        raise ValueError(f'{file.name} in {wheel} is damaged ({error}). Get the wheel anew.') from None


def _image(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        return image.convert('RGB')


def _boxes(content: bytes) -> np.ndarray:
    return np.array([[float(box.findtext(key)) for key in ('xmin', 'ymin', 'xmax', 'ymax')]
                     for box in ElementTree.fromstring(content).iter('bndbox')])


def _add(folder: Path, content: dict, tile: Image.Image, scene: str, at: tuple[int, int], boxes: np.ndarray) -> None:
    """Save a tile and add it to the content of its split's annotation file."""
    inside = np.clip(boxes - np.array([*at, *at]), 0, TILE)
    sides = inside[:, 2:] - inside[:, :2]
    seen = sides.prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
    name = f'{scene}_{at[0]:04d}_{at[1]:04d}.png'
    tile.save(folder / name)
    number = len(content['images']) + 1
    content['images'].append({'id': number, 'file_name': name, 'width': TILE, 'height': TILE, 'scene': scene,
                              'x': at[0], 'y': at[1]})
    for (x, y, *_), (width, height), part in zip(inside.tolist(), sides.tolist(), seen):
        if part:
            content['annotations'].append({
                'id': len(content['annotations']) + 1, 'image_id': number, 'category_id': 1,
                'bbox': [x, y, width, height], 'area': width * height, 'iscrowd': int(part < LEAST_VISIBLE)})

"""Digit scenes: handwritten digits pasted on photographs, written as a COCO dataset; no download.

It is made in seconds from what scikit-learn brings along, so that detectors, instance and semantic segmentation train
and are tested in minutes on a CPU.

Sources and licences (also in ``licenses`` of the annotation files):

* digits: ``sklearn.datasets.load_digits``, 1,797 digits of 8x8 grey values, the test set of E. Alpaydin and C. Kaynak,
  Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49;
  CC BY 4.0, https://creativecommons.org/licenses/by/4.0/;
* photographs: ``sklearn.datasets.load_sample_images``, china.jpg and flower.jpg, CC BY 2.0,
  https://creativecommons.org/licenses/by/2.0/. scikit-learn's datasets/images/README.txt says for both 'Attribution:
  Some rights reserved by danielbuechele' and links https://www.flickr.com/photos/danielbuechele/ for china.jpg, but
  https://www.flickr.com/photos/vultilion/ for flower.jpg.

Changes made to them: digits are enlarged, sharpened and recoloured, photographs are cropped, mirrored, resized and
reduced in contrast.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from se_backbones.lab.digits.drawing import (
    HARD,
    JPEG_QUALITY,
    PLAIN,
    SPLITS,
    Digits,
    Look,
    cut_ground,
    load_photos,
    load_split_digits,
    paste,
    paste_clutter,
    random_ink,
)
from se_backbones.lab.made_folder import MadeFolder, at_least, make_folder
from se_backbones.utils.validation import one_of

VERSION = 1  # raise it when the same parameters give other files
LAYOUTS = ('digits', 'coco2017')
DIGIT_NAMES = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')

MIN_VISIBLE = 0.92  # of a digit's pixels, after all later digits have been pasted
MAX_BOX_OVERLAP = 0.1  # intersection over the smaller box: neighbours touch, none sits in the hole of a large zero
PLACE_ATTEMPTS = 20

COCO_SUPERCATEGORIES = {
    'person': ('person', ),
    'vehicle': ('bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat'),
    'outdoor': ('traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'bench'),
    'animal': ('bird', 'cat', 'dog', 'horse', 'sheep', 'cow', 'elephant', 'bear', 'zebra', 'giraffe'),
    'accessory': ('backpack', 'umbrella', 'handbag', 'tie', 'suitcase'),
    'sports': ('frisbee', 'skis', 'snowboard', 'sports ball', 'kite', 'baseball bat', 'baseball glove', 'skateboard',
               'surfboard', 'tennis racket'),
    'kitchen': ('bottle', 'wine glass', 'cup', 'fork', 'knife', 'spoon', 'bowl'),
    'food': ('banana', 'apple', 'sandwich', 'orange', 'broccoli', 'carrot', 'hot dog', 'pizza', 'donut', 'cake'),
    'furniture': ('chair', 'couch', 'potted plant', 'bed', 'dining table', 'toilet'),
    'electronic': ('tv', 'laptop', 'mouse', 'remote', 'keyboard', 'cell phone'),
    'appliance': ('microwave', 'oven', 'toaster', 'sink', 'refrigerator'),
    'indoor': ('book', 'clock', 'vase', 'scissors', 'teddy bear', 'hair drier', 'toothbrush'),
}
COCO_UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # of 1..90

LICENSES = [
    {'id': 1, 'name': 'Creative Commons Attribution 4.0 (digits: UCI, E. Alpaydin and C. Kaynak)',
     'url': 'https://creativecommons.org/licenses/by/4.0/'},
    {'id': 2, 'name': 'Creative Commons Attribution 2.0 (photographs: see the attribution in info)',
     'url': 'https://creativecommons.org/licenses/by/2.0/'},
]
INFO = {
    'description': 'Digit scenes: UCI handwritten digits pasted on two photographs, made by se_backbones',
    'version': str(VERSION),
    'url': 'https://doi.org/10.24432/C50P49',
    'contributor': 'digits: E. Alpaydin and C. Kaynak; photographs as distributed with scikit-learn: '
    'china.jpg, "Some rights reserved by danielbuechele", https://www.flickr.com/photos/danielbuechele/; '
    'flower.jpg, "Some rights reserved by danielbuechele", https://www.flickr.com/photos/vultilion/',
}


def make_digit_scenes(root, num_train: int = 1000, num_val: int = 200, size: int = 128, seed: int = 0,
                      names: Sequence[str] | None = None, layout: str = 'digits', semantic: bool = True,
                      hard: bool = False, force: bool = False) -> MadeFolder:
    """Make the digit scenes dataset in ``root``, or find it there.

    With ``layout='digits'``: ``<root>/{train,val}/000001.jpg``, ``<root>/annotations/instances_{train,val}.json``,
    ``<root>/semantic/{train,val}/000001.png`` and the identity file ``<root>/digit_scenes.json``. With
    ``layout='coco2017'`` the folders, annotation files and images are named as COCO's are (``train2017``,
    ``instances_train2017.json``, ``000000000001.jpg``) and the categories are COCO's 80, the digits standing for the
    first ten, so that a stock COCO config trains on it by its ``data_root`` alone.

    Scene ``i`` of a split depends on ``seed``, ``size``, ``hard``, ``i`` and nothing else: a larger dataset begins with
    the smaller one. Equal parameters give equal bytes with equal versions of numpy, Pillow and scikit-learn.

    Args:
        root (str | Path): The folder to make.
        num_train (int): Number of training scenes.
        num_val (int): Number of validation scenes.
        size (int): Side of a scene in pixels, at least 64; digits are 0.22 to 0.47 of it high, with ``hard`` 0.17 to
            0.34.
        seed (int): Seed, not negative.
        names (Sequence[str] | None): Ten category names, of the digits 0 to 9; 'zero' to 'nine' when None. Only with
            ``layout='digits'``.
        layout (str): 'digits' or 'coco2017'.
        semantic (bool): Also write semantic masks, (size, size) PNG: 0 is the ground, digit + 1 the digits.
        hard (bool): Smaller digits of less contrast, up to eight, among pieces of digits that are not objects.
        force (bool): Replace a dataset that this function made with other parameters.

    Returns:
        MadeFolder: Root, whether it was made now, and per split the counts of ``images`` and ``digits``.

    Raises:
        ValueError: A setting is out of its range.
        ImportError: scikit-learn is missing.
        FileExistsError: ``root`` holds something else, or (without ``force``) digit scenes with other parameters.
    """
    parameters = _checked(num_train=num_train, num_val=num_val, size=size, seed=seed, names=names, layout=layout,
                          semantic=semantic, hard=hard)
    return make_folder(root, 'digit_scenes', VERSION, parameters, lambda folder: _write(folder, **parameters), force)


def mask_polygons(mask: np.ndarray) -> list[list[int]]:
    """Outline a mask along the edges of its pixels.

    The corners are integers, so the polygons lose nothing: pycocotools decodes them to exactly ``mask``, and their
    shoelace areas sum to its number of pixels. COCO's polygons are united and cannot express holes; a part with a
    hole is cut in two through the hole.

    Args:
        mask (np.ndarray): (H, W) bool.

    Returns:
        list[list[int]]: Polygons ``[x0, y0, x1, y1, ...]``, empty for an empty mask.
    """
    if not mask.any():
        return []
    left, top, width, height = _box(mask)
    polygons = []
    for outline in _outlines(mask[top:top + height, left:left + width]):
        xs, ys = np.array(outline[::2]), np.array(outline[1::2])
        if xs[:-1] @ ys[1:] + xs[-1] * ys[0] < ys[:-1] @ xs[1:] + ys[-1] * xs[0]:  # shoelace: the rim of a hole
            cut = left + (int(xs.min()) + int(xs.max())) // 2
            columns = np.arange(mask.shape[1])
            return mask_polygons(mask & (columns < cut)) + mask_polygons(mask & (columns >= cut))
        polygons.append(np.stack([xs + left, ys + top], axis=1).ravel().tolist())
    return polygons


def coco_categories() -> list[dict]:
    """COCO's 80 categories with their ids (of 1..90), names and supercategories."""
    ids = (i for i in range(1, 91) if i not in COCO_UNUSED_IDS)
    return [{'id': next(ids), 'name': name, 'supercategory': group}
            for group, names in COCO_SUPERCATEGORIES.items() for name in names]


def _checked(*, num_train, num_val, size, seed, names, layout, semantic, hard) -> dict:
    """Validate the parameters and return them in the form in which the identity file keeps them."""
    one_of('layout', layout, LAYOUTS)
    numbers = {'num_train': at_least(1, 'num_train', num_train), 'num_val': at_least(1, 'num_val', num_val),
               'size': at_least(64, 'size', size), 'seed': at_least(0, 'seed', seed)}
    if names is not None and layout == 'coco2017':
        raise ValueError("names would have no effect with layout='coco2017', whose categories are COCO's own")
    names = list(DIGIT_NAMES if names is None else names)
    if len(set(names)) != 10 or len(names) != 10 or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f'names must be ten different names, of the digits 0 to 9, got {names!r}')
    return {**numbers, 'names': names if layout == 'digits' else None, 'layout': layout, 'semantic': bool(semantic),
            # Not said of the plain ones, so that those of earlier versions are found again.
            **({'hard': True} if hard else {})}


def _write(root: Path, num_train: int, num_val: int, size: int, seed: int, names: list[str] | None, layout: str,
           semantic: bool, hard: bool = False) -> dict:
    look = HARD if hard else PLAIN
    digits = load_split_digits()
    photos = load_photos()
    categories = coco_categories() if layout == 'coco2017' else [
        {'id': i + 1, 'name': name, 'supercategory': 'digit'} for i, name in enumerate(names)]
    (root / 'annotations').mkdir()
    counts = {}
    for split, number in zip(SPLITS, (num_train, num_val)):
        folder = f'{split}2017' if layout == 'coco2017' else split
        (root / folder).mkdir()
        if semantic:
            (root / 'semantic' / folder).mkdir(parents=True)
        images, annotations = [], []
        for i in _track(range(number), f'digit scenes, {split}'):
            rng = np.random.default_rng([seed, SPLITS.index(split), i])
            photo = sorted(photos)[rng.integers(len(photos))]
            ground = cut_ground(photos[photo], split, size, rng)
            scene, rows, masks = _draw_scene(ground, digits[split], rng, look)
            stem = f'{i + 1:012d}' if layout == 'coco2017' else f'{i + 1:06d}'
            Image.fromarray(scene).save(root / folder / f'{stem}.jpg', quality=JPEG_QUALITY)
            images.append({'id': i + 1, 'file_name': f'{stem}.jpg', 'width': size, 'height': size, 'license': 2,
                           'photo': photo})
            labels = digits[split].label[rows]
            for row, label, mask in zip(rows, labels, masks):
                annotations.append(_annotation(mask, len(annotations) + 1, i + 1, categories[label]['id'],
                                               digit_index=int(digits[split].index[row])))
            if semantic:
                stuff = np.zeros((size, size), dtype=np.uint8)
                for label, mask in zip(labels, masks):
                    stuff[mask] = label + 1
                Image.fromarray(stuff).save(root / 'semantic' / folder / f'{stem}.png')
        content = {'info': INFO, 'licenses': LICENSES, 'categories': categories, 'images': images,
                   'annotations': annotations}
        (root / 'annotations' / f'instances_{folder}.json').write_text(json.dumps(content, separators=(',', ':')))
        counts[split] = {'images': len(images), 'digits': len(annotations)}
    return counts


def _track(sequence, description: str):
    """Show a progress bar on a terminal; tests and logs stay clean, and so do runs of under a second or so."""
    from rich.console import Console
    from rich.progress import track
    console = Console(stderr=True)
    return track(sequence, description, console=console, transient=True,
                 disable=len(sequence) < 300 or not console.is_terminal)


def _draw_scene(ground: np.ndarray, digits: Digits, rng: np.random.Generator,
                look: Look = PLAIN) -> tuple[np.ndarray, list[int], list[np.ndarray]]:
    """Paste up to ``look.digits`` digits; return the scene (H, W, 3) uint8, rows in ``digits`` and visible masks."""
    size = len(ground)
    scene = ground.copy()
    if look.clutter[1]:
        paste_clutter(scene, digits, look, rng)
    rows, masks, whole = [], [], []
    for _ in range(rng.integers(1, look.digits + 1)):
        row = int(rng.integers(len(digits.index)))
        ink = random_ink(digits, row, size, look, rng)
        at = _find_place(ink, masks, whole, size, rng)
        if at is None:
            continue
        mask = paste(scene, ink, at, look, rng)
        masks = [earlier & ~mask for earlier in masks] + [mask]
        whole.append(int(mask.sum()))
        rows.append(row)
    return np.round(scene).astype(np.uint8), rows, masks


def _find_place(ink: np.ndarray, masks: list[np.ndarray], whole: list[int], size: int,
                rng: np.random.Generator) -> tuple[int, int] | None:
    """Find (y, x) where ``ink`` leaves all earlier digits readable; None when no place was found."""
    stroke = ink >= 0.5
    height, width = ink.shape
    for _ in range(PLACE_ATTEMPTS):
        y = int(rng.integers(size - height + 1))
        x = int(rng.integers(size - width + 1))
        mask = np.zeros((size, size), dtype=bool)
        mask[y:y + height, x:x + width] = stroke
        if all((earlier & ~mask).sum() >= MIN_VISIBLE * area and _box_overlap(earlier, mask) <= MAX_BOX_OVERLAP
               for earlier, area in zip(masks, whole)):
            return y, x
    return None


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Tight box x, y, width, height in pixels around a mask that is not empty."""
    ys = np.flatnonzero(mask.any(axis=1))
    xs = np.flatnonzero(mask.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)


def _box_overlap(one: np.ndarray, other: np.ndarray) -> float:
    x, y, width, height = _box(one)
    u, v, breadth, depth = _box(other)
    across = min(x + width, u + breadth) - max(x, u)
    down = min(y + height, v + depth) - max(y, v)
    return max(across, 0) * max(down, 0) / min(width * height, breadth * depth)


def _annotation(mask: np.ndarray, id: int, image_id: int, category_id: int, digit_index: int) -> dict:
    return {'id': id, 'image_id': image_id, 'category_id': category_id, 'bbox': list(_box(mask)),
            'area': int(mask.sum()), 'iscrowd': 0, 'digit_index': digit_index, 'segmentation': mask_polygons(mask)}


def _outlines(mask: np.ndarray) -> list[list[int]]:
    """Walk around the pixels of a mask: outer rims clockwise (y points down), rims of holes counter-clockwise."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    steps = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right along a pixel's top, down its right side, and so on
    outer = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    starts = ((0, 0), (1, 0), (1, 1), (0, 1))
    edges = set()
    for direction, (beyond, (dx, dy)) in enumerate(zip(outer, starts)):
        ys, xs = np.nonzero(inside & ~beyond)
        edges.update(zip((xs + dx).tolist(), (ys + dy).tolist(), [direction] * len(xs)))
    outlines = []
    for first in sorted(edges):
        outline, edge = [], first
        while edge in edges:
            edges.remove(edge)
            x, y, direction = edge
            x, y = x + steps[direction][0], y + steps[direction][1]
            # Where two pixels touch at a corner, turning right keeps to the pixel that is being walked around.
            for turned in ((direction + 1) % 4, direction, (direction - 1) % 4):
                edge = (x, y, turned)
                if edge in edges or edge == first:
                    break
            if turned != direction:
                outline += [x, y]
        if outline:
            outlines.append(outline)
    return outlines

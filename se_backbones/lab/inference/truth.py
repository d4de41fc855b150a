"""What is annotated in image files: COCO's objects, or label maps."""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch

from se_backbones.lab.inference.objects import segments
from se_backbones.lab.inference.prediction import name_among

# What each entry of an annotation file has; mmdet takes those without iscrowd for objects.
_KEYS = dict(images=('id', 'file_name'), categories=('id', 'name'),
             annotations=('id', 'image_id', 'category_id', 'bbox'))

Truth = Callable[[str], list[dict] | None]


def read_label_map(file: str | Path) -> np.ndarray:
    """Return the numbers in a label map, ``(H, W)``, as mmseg reads them: of a palette image, its indices."""
    return mmcv.imread(file, 'unchanged', backend='pillow')


def read_truth(annotations: str | Path, names: Sequence[str], masks: bool = True,
               suffixes: tuple[str, str] = ('', '.png'), read: Callable[[str], np.ndarray] = read_label_map) -> Truth:
    """Return a function that says what is annotated in an image of a name, or None where nothing is known of it.

    Args:
        annotations: A COCO annotation file, or a folder of label maps, which may lie in folders as the images do.
        names: Of the model's classes, which give the objects their numbers and colours. Other categories are left out.
        masks: Whether objects have their masks; boxes alone are set beside what finds boxes alone.
        suffixes: The end of an image's name and what a label map has in its place, mmseg's ``img_suffix`` and
            ``seg_map_suffix``; of an image with another end, the suffix is replaced.
        read: Returns the classes' numbers ``(H, W)`` of a label map.

    Raises:
        ValueError: It is no annotation file. By the function: a label map has several channels.
    """
    if Path(annotations).is_dir():
        return _label_maps(Path(annotations), names, *suffixes, read)
    return _coco(annotations, names, masks)


def _label_maps(folder: Path, names: Sequence[str], image_end: str, map_end: str,
                read: Callable[[str], np.ndarray]) -> Truth:
    files = {file.relative_to(folder).as_posix() for file in folder.rglob(f'*{map_end}')}

    def truth(image: str) -> list[dict] | None:
        end = image_end if image_end and image.endswith(image_end) else Path(image).suffix
        name = name_among(files, image.removesuffix(end) + map_end)
        if name is None:
            return None
        numbers = read(str(folder / name))
        if numbers.ndim != 2:
            raise ValueError(f'{folder / name} has {numbers.shape[2]} channels; a label map has one, whose values are '
                             'the numbers of the classes.')
        return segments(torch.from_numpy(numbers), names)
    return truth


def read_coco(file: str | Path) -> dict:
    """Return the content of a COCO annotation file.

    Raises:
        ValueError: It is none.
    """
    try:
        content = json.loads(Path(file).read_text())
    except ValueError as error:
        raise ValueError(f'{file} is not JSON: {error}.') from None
    parts = ('images', 'categories')  # those of test sets are without annotations
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in parts):
        raise ValueError(f'{file} is no COCO annotation file, which has lists of {" and ".join(parts)}.')
    for part, keys in _KEYS.items():
        for index, entry in enumerate(content.get(part) or ()):
            absent = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if absent:
                raise ValueError(f'{file} is no COCO annotation file of objects: {part}[{index}] has no {absent[0]!r}.')
    return content


def _coco(file: str | Path, names: Sequence[str], masks: bool) -> Truth:
    from pycocotools.coco import COCO
    coco = COCO()
    coco.dataset = read_coco(file)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it took
        coco.createIndex()
    images = {image['file_name']: image['id'] for image in coco.dataset['images']}
    labels = {category['id']: category['name'] for category in coco.dataset['categories']}

    def truth(image: str) -> list[dict] | None:
        name = name_among(images, image)
        if name is None:
            return None
        found = [entry for entry in coco.loadAnns(coco.getAnnIds(images[name])) if not entry.get('iscrowd')]
        return [dict(label=label, number=list(names).index(label), box=[x, y, x + width, y + height],
                     **(dict(mask=coco.annToMask(entry).astype(bool)) if masks and entry.get('segmentation') else {}))
                for entry in found if (label := labels.get(entry['category_id'])) in names
                for x, y, width, height in [entry['bbox']]]
    return truth

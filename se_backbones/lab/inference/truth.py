"""What is annotated in image files: COCO's objects, or label maps."""

import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import mmcv
import torch

from se_backbones.lab.inference.objects import segments
from se_backbones.lab.inference.prediction import name_among

Truth = Callable[[str], list[dict] | None]


def read_truth(annotations: str | Path, names: Sequence[str], masks: bool = True) -> Truth:
    """Return a function that says what is annotated in an image of a name, or None where nothing is known of it.

    Args:
        annotations: A COCO annotation file, or a folder of label maps, ``<name of the image>.png``.
        names: Of the model's classes, which give the objects their numbers and colours. Other categories are left out.
        masks: Whether objects have their masks; boxes alone are set beside what finds boxes alone.
    """
    return _label_maps(Path(annotations), names) if Path(annotations).is_dir() else _coco(annotations, names, masks)


def _label_maps(folder: Path, names: Sequence[str]) -> Truth:
    def truth(image: str) -> list[dict] | None:
        file = folder / f'{Path(image).stem}.png'
        return segments(torch.from_numpy(mmcv.imread(file, 'unchanged')), names) if file.exists() else None
    return truth


def _coco(file: str | Path, names: Sequence[str], masks: bool) -> Truth:
    from pycocotools.coco import COCO
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it read
        coco = COCO(str(file))
    images = {image['file_name']: image['id'] for image in coco.dataset['images']}
    labels = {category['id']: category['name'] for category in coco.dataset['categories']}

    def truth(image: str) -> list[dict] | None:
        name = name_among(images, image)
        if name is None:
            return None
        found = coco.loadAnns(coco.getAnnIds(images[name], iscrowd=False))
        return [dict(label=label, number=list(names).index(label), box=[x, y, x + width, y + height],
                     **(dict(mask=coco.annToMask(entry).astype(bool)) if masks and entry.get('segmentation') else {}))
                for entry in found if (label := labels[entry['category_id']]) in names
                for x, y, width, height in [entry['bbox']]]
    return truth

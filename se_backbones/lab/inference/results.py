"""Predictions as data: COCO's results format for objects with boxes, and a list of classes for the rest."""

import json
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from se_backbones.lab.inference.prediction import Prediction, name_among
from se_backbones.lab.inference.truth import read_coco
from se_backbones.utils import atomic
from se_backbones.utils.validation import first_few


class ResultsFile:
    """A JSON file of predictions.

    A detector's is a list in COCO's results format, one entry for each object:
    ``{"image_id", "category_id", "bbox": [x, y, width, height], "score", ["segmentation": RLE], "file_name"}``.
    That of a classifier, a segmentor or a panoptic detector is a list with one entry for each image:
    ``{"image_id", "file_name", "classes": [{"name", "number", "score"}, ...]}``, best first.

    Args:
        path: A new file.
        annotations: A COCO annotation file that says the ids of images, by file name, and of categories, by name.
            Without it images count from 1 in the order in which they come, and categories from 1 in the order of the
            model's classes.

    Raises:
        FileExistsError: The file exists.
        FileNotFoundError: Its folder or the annotation file does not.
        ValueError: The annotation file is none.
    """

    def __init__(self, path: str | Path, annotations: str | Path | None = None):
        self.path = atomic.check_new(path)
        self._annotations = annotations
        self._image_ids = self._category_ids = self._folder = None
        if annotations is not None:
            data = read_coco(annotations)
            self._image_ids = {image['file_name']: image['id'] for image in data['images']}
            self._category_ids = {category['name']: category['id'] for category in data['categories']}
        self._entries: list[dict] = []
        self._images = 0

    def check(self, images: Sequence[str]) -> None:
        """Raise ValueError for images that the annotation file does not know, before work is lost.

        Without such a file, images are named from the innermost folder that they have in common.
        """
        if self._image_ids is None:
            self._folder = osp.commonpath([osp.dirname(osp.abspath(name)) for name in images])
            return
        unknown = [name for name in images if name_among(self._image_ids, name) is None]
        if unknown:
            raise ValueError(f'{self._annotations} does not know {len(unknown)} of the images: '
                             f'{first_few(unknown, 3)}.')

    def add(self, prediction: Prediction) -> None:
        """Take up the prediction for the next image."""
        self._images += 1
        name = name_among(self._image_ids or (), prediction.image)
        if name is None:
            name = Path(prediction.image).name if self._folder is None else osp.relpath(prediction.image, self._folder)
        image = dict(image_id=self._images if self._image_ids is None else self._image_ids[name], file_name=name)
        boxes = [found for found in prediction.objects if 'box' in found]
        self._entries += [self._object(found, image) for found in boxes]
        if prediction.objects and not boxes:
            classes = [dict(name=found['label'], number=found['number'], score=_short(found['score']))
                       for found in prediction.objects]
            self._entries.append(dict(**image, classes=classes))

    def write(self) -> Path:
        """Write what was taken up, all or nothing, and return the file."""
        atomic.write_text(self.path, json.dumps(self._entries) + '\n')
        return self.path

    def _object(self, found: dict, image: dict) -> dict:
        x1, y1, x2, y2 = found['box']
        entry = dict(**image, bbox=[_short(value) for value in (x1, y1, x2 - x1, y2 - y1)],
                     score=_short(found['score']))
        if self._category_ids is None:
            entry['category_id'] = found['number'] + 1
        elif found['label'] in self._category_ids:
            entry['category_id'] = self._category_ids[found['label']]
        else:
            raise ValueError(f'{self._annotations} has no category {found["label"]!r}, a class of the model; it has '
                             f'{first_few(self._category_ids)}.')
        if 'mask' in found:
            from pycocotools import mask
            rle = mask.encode(np.asfortranarray(found['mask'].astype(np.uint8)))
            entry['segmentation'] = dict(size=rle['size'], counts=rle['counts'].decode())
        return entry


def _short(value: float) -> float:
    return float(f'{value:.6g}')

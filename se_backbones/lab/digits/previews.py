"""Draw samples of the digit datasets on one sheet."""

import json
from pathlib import Path

import mmcv
import numpy as np

from se_backbones.lab.inference.prediction import Prediction, contact_sheet
from se_backbones.lab.inference.truth import read_truth
from se_backbones.lab.pictures.colours import palette
from se_backbones.lab.pictures.scenes import write_picture


def preview_scenes(root: str | Path, file: str | Path, num: int = 3, columns: int = 1) -> Path:
    """Draw the first training scenes, bare and with their boxes, names and masks, into one new file; return it.

    Args:
        root: A folder made by ``make_digit_scenes``.
        file: The new file.
        num: Number of scenes.
        columns: Scenes in a row; each takes two places.

    Raises:
        FileExistsError: ``file`` exists.
        ImportError: supervision is missing.
    """
    root = Path(root)
    layout = json.loads((root / 'digit_scenes.json').read_text())['parameters']['layout']
    split = 'train2017' if layout == 'coco2017' else 'train'
    annotations = root / 'annotations' / f'instances_{split}.json'
    data = json.loads(annotations.read_text())
    truth = read_truth(annotations, [category['name'] for category in data['categories']][:10])  # digits come first
    names = [image['file_name'] for image in data['images']][:num]
    # With the truth in the prediction's place, and in that of the truth nothing: the bare picture.
    pairs = [Prediction(str(root / split / name), truth(name), palette(10), truth=[]) for name in names]
    return contact_sheet(pairs, file, columns=columns, titles=(), side=None)


def preview_digits(root: str | Path, file: str | Path, columns: int = 20) -> Path:
    """Draw the first validation images of each class, a row each, into one new file; return it.

    Args:
        root: A folder made by ``make_single_digits``.
        file: The new file.
        columns: Images of each class.

    Raises:
        FileExistsError: ``file`` exists.
    """
    rows = [sorted((Path(root) / 'val' / str(label)).glob('*.*'))[:columns] for label in range(10)]
    return write_picture(np.vstack([np.hstack([mmcv.imread(name, channel_order='rgb') for name in row])
                                    for row in rows]), file)

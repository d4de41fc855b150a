"""Single digits: the digits of the digit scenes as an image folder for classification; no download.

Source, licence (CC BY 4.0) and split are those of ``digit_scenes.py``. Grey digits on black, one file each, named by
the digit's index in scikit-learn's ``load_digits``: ``<root>/{train,val}/{0..9}/0000.png``, which mmpretrain's
``CustomDataset`` (and torchvision's ``ImageFolder``) reads; folders named by numerals, since both sort the folder
names to number the classes, so that the class index is the digit.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from se_backbones.lab.digits.drawing import digit_ink, load_split_digits
from se_backbones.lab.made_folder import MadeFolder, at_least, make_folder

VERSION = 1  # raise it when the same parameters give other files


def make_single_digits(root, size: int = 32, force: bool = False) -> MadeFolder:
    """Make the image folder of all 1,797 digits (1,438 train, 359 val) in ``root``, or find it there.

    Args:
        root (str | Path): The folder to make.
        size (int): Side of an image in pixels, at least 8; the digit takes the middle 80 % of it.
        force (bool): Replace a folder that this function made with another size.

    Returns:
        MadeFolder: Root, whether it was made now, and per split the counts of ``images`` and ``digits`` (equal).

    Raises:
        ValueError: ``size`` is out of its range.
        ImportError: scikit-learn is missing.
        FileExistsError: ``root`` holds something else, or (without ``force``) single digits of another size.
    """
    return make_folder(root, 'single_digits', VERSION, {'size': at_least(8, 'size', size)},
                       lambda folder: _write(folder, size), force)


def _write(root: Path, size: int) -> dict:
    counts = {}
    for split, digits in load_split_digits().items():
        for label in range(10):
            (root / split / str(label)).mkdir(parents=True)
        for grey, label, index in zip(*digits):
            ink = digit_ink(grey, size * 8 / 10)
            Image.fromarray(np.round(255 * ink).astype(np.uint8)).save(root / split / str(label) / f'{index:04d}.png')
        counts[split] = {'images': len(digits.index), 'digits': len(digits.index)}
    return counts

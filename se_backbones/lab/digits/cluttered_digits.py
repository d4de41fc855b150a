"""Cluttered digits: one digit anywhere among pieces of other digits on a photograph, to classify; no download.

Harder than the single digits, and hard for a small network: the digit has to be found, and what lies around it looks
like it. Sources, licences and split are those of ``digit_scenes.py``. Colour images, as many of each class as of any
other: ``<root>/{train,val}/{0..9}/00000.jpg``, which mmpretrain's ``CustomDataset`` reads.
"""

import numpy as np
from PIL import Image

from se_backbones.lab.digits.drawing import (
    CLUTTERED,
    JPEG_QUALITY,
    SPLITS,
    cut_ground,
    load_photos,
    load_split_digits,
    paste,
    paste_clutter,
    random_ink,
)
from se_backbones.lab.made_folder import MadeFolder, at_least, make_folder

VERSION = 1  # raise it when the same parameters give other files


def make_cluttered_digits(root, num_train: int = 2000, num_val: int = 2000, size: int = 48, seed: int = 0,
                          force: bool = False) -> MadeFolder:
    """Make the image folder in ``root``, or find it there.

    The 359 digits for validation are shown several times, at other places and among other clutter. Image ``i`` of a
    split depends on ``seed``, ``size``, ``i`` and nothing else; its class is ``i % 10``.

    Args:
        root (str | Path): The folder to make.
        num_train (int): Number of training images.
        num_val (int): Number of validation images.
        size (int): Side of an image in pixels, at least 24; the digit is 0.5 to 0.7 of it high.
        seed (int): Seed, not negative.
        force (bool): Replace a folder that this function made with other parameters.

    Returns:
        MadeFolder: Root, whether it was made now, and per split the counts of ``images`` and ``digits`` (equal).

    Raises:
        ValueError: A setting is out of its range.
        ImportError: scikit-learn is missing.
        FileExistsError: ``root`` holds something else, or (without ``force``) cluttered digits with other parameters.
    """
    parameters = {'num_train': at_least(10, 'num_train', num_train), 'num_val': at_least(10, 'num_val', num_val),
                  'size': at_least(24, 'size', size), 'seed': at_least(0, 'seed', seed)}
    return make_folder(root, 'cluttered_digits', VERSION, parameters, lambda folder: _write(folder, **parameters),
                       force)


def _write(root, num_train: int, num_val: int, size: int, seed: int) -> dict:
    digits, photos = load_split_digits(), load_photos()
    counts = {}
    for split, number in zip(SPLITS, (num_train, num_val)):
        rows = [np.flatnonzero(digits[split].label == label) for label in range(10)]
        for label in range(10):
            (root / split / str(label)).mkdir(parents=True)
        for index in range(number):
            label = index % 10
            rng = np.random.default_rng([seed, SPLITS.index(split), index])
            photo = photos[sorted(photos)[rng.integers(len(photos))]]
            image = cut_ground(photo, split, size, rng).copy()
            paste_clutter(image, digits[split], CLUTTERED, rng)
            ink = random_ink(digits[split], int(rng.choice(rows[label])), size, CLUTTERED, rng)
            paste(image, ink, tuple(int(rng.integers(size - side + 1)) for side in ink.shape), CLUTTERED, rng)
            file = root / split / str(label) / f'{index:05d}.jpg'
            Image.fromarray(np.round(image).astype(np.uint8)).save(file, quality=JPEG_QUALITY)
        counts[split] = {'images': number, 'digits': number}
    return counts

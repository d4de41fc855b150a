"""Equal versions make equal data: what changes the pictures or the boxes must raise VERSION, or old data are not found.

Pixels are compared by their means, which do not depend on the version of Pillow.
"""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from helpers import tree_wheel
from se_backbones.lab.convert import tree_crowns
from se_backbones.lab.convert.tree_crowns import make_tree_crowns
from se_backbones.lab.digits import digit_scenes, make_digit_scenes, make_single_digits, single_digits

# Easy scenes and hard ones.
BOXES = 'c95bf08e4e3db175', '954fc835ebf1b757'
SCENES = [123.6, 172.6, 62.3], [111.8, 187.0, 59.7]
CROWNS = '84213651ff15570a'
NAMES = 'df04052fc8681117'
DIGITS = [52.3, 54.9, 52.3, 48.7, 58.7]
WAY_OUT = 'raise VERSION beside the maker, and record here what it makes now'


def means(root, *files):
    return [round(float(np.asarray(Image.open(root / file)).mean()), 1) for file in files]


def digest(root):
    """Of the boxes, masks and names in all annotation files."""
    files = sorted(root.glob('annotations/*.json'), key=lambda file: ('_train', '_val', '_test').index(
        file.stem.removeprefix('instances')))
    boxes = [json.loads(file.read_text())['annotations'] for file in files]
    return hashlib.sha256(json.dumps(boxes, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize('hard', [False, True])
def test_digit_scenes_of_version_1(tmp_path, hard):
    root = make_digit_scenes(tmp_path / 'scenes', num_train=3, num_val=2, hard=hard).root
    assert digit_scenes.VERSION == 1
    assert digest(root) == BOXES[hard], WAY_OUT
    found = means(root, 'train/000001.jpg', 'train/000003.jpg', 'val/000002.jpg')
    assert found == pytest.approx(SCENES[hard], abs=0.3), WAY_OUT


def test_tree_crowns_of_version_1(tmp_path):
    root = make_tree_crowns(tmp_path / 'trees', tree_wheel(tmp_path)).root
    assert tree_crowns.VERSION == 1
    assert digest(root) == CROWNS, WAY_OUT


def test_single_digits_of_version_1(tmp_path):
    root = make_single_digits(tmp_path / 'digits').root
    assert single_digits.VERSION == 1
    names = sorted(str(path.relative_to(root)) for path in root.rglob('*.png'))
    assert hashlib.sha256(' '.join(names).encode()).hexdigest()[:16] == NAMES, WAY_OUT
    assert means(root, *names[::400]) == pytest.approx(DIGITS, abs=0.3), WAY_OUT

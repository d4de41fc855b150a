"""Cluttered digits are an image folder in which each digit is somewhere among pieces of others."""

import json

import numpy as np
import pytest
from PIL import Image

from se_backbones.lab.digits import drawing, make_cluttered_digits, make_digit_scenes


@pytest.fixture(scope='module')
def cluttered(tmp_path_factory):
    return make_cluttered_digits(tmp_path_factory.mktemp('data') / 'cluttered', num_train=30, num_val=20)


def test_classes_are_balanced_and_images_are_colour(cluttered):
    assert cluttered.counts == {'train': {'images': 30, 'digits': 30}, 'val': {'images': 20, 'digits': 20}}
    for split, each in (('train', 3), ('val', 2)):
        files = [sorted((cluttered.root / split / str(label)).iterdir()) for label in range(10)]
        assert [len(found) for found in files] == [each] * 10
        assert np.asarray(Image.open(files[3][0])).shape == (48, 48, 3)


def test_a_larger_set_begins_with_the_smaller_one_and_a_seed_gives_the_same_bytes(cluttered, tmp_path):
    larger = make_cluttered_digits(tmp_path / 'larger', num_train=40, num_val=20).root
    other = make_cluttered_digits(tmp_path / 'other', num_train=30, num_val=20, seed=1).root
    name = 'train/7/00017.jpg'
    assert (larger / name).read_bytes() == (cluttered.root / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.parametrize('setting', [dict(num_train=9), dict(num_val=0), dict(size=23), dict(seed=-1), dict(size=48.0)])
def test_a_setting_out_of_range_is_refused(tmp_path, setting):
    with pytest.raises(ValueError, match=f'{next(iter(setting))} must be an integer of at least'):
        make_cluttered_digits(tmp_path / 'a', **setting)


def test_clutter_is_drawn_on_the_ground_and_digits_on_the_clutter():
    digits = drawing.load_split_digits()['train']
    ground = np.full((48, 48, 3), 128, dtype=np.float32)
    drawing.paste_clutter(ground, digits, drawing.CLUTTERED, np.random.default_rng(0))
    changed = (ground != 128).any(2)
    assert 0 < changed.mean() < 0.2
    ink = drawing.random_ink(digits, 0, 48, drawing.CLUTTERED, np.random.default_rng(0))
    assert 0.5 * 48 * 0.7 < ink.shape[0] < 0.7 * 48 * 1.3
    mask = drawing.paste(ground, ink, (2, 3), drawing.CLUTTERED, np.random.default_rng(0))
    assert mask.any() and not mask[:2].any() and np.ptp(ground[mask & (np.indices(mask.shape)[0] > 0)].mean(0)) < 60


def test_hard_scenes_have_smaller_digits_and_more_of_them(tmp_path):
    found = {}
    for hard in (False, True):
        root = make_digit_scenes(tmp_path / str(hard), num_train=20, num_val=1, hard=hard, semantic=False).root
        boxes = [note['bbox'] for note in json.loads((root / 'annotations/instances_train.json').read_text())[
            'annotations']]
        found[hard] = (len(boxes), max(box[3] for box in boxes))
    assert found[True][0] > found[False][0] and found[True][1] < 48 < found[False][1]

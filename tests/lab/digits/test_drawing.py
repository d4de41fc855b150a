"""Hard scenes: smaller digits, more of them, among pieces of others."""

import json

import numpy as np

from se_backbones.lab.digits import drawing, make_digit_scenes


def test_clutter_is_drawn_on_the_ground_and_digits_on_the_clutter():
    digits = drawing.load_split_digits()['train']
    ground = np.full((128, 128, 3), 128, dtype=np.float32)
    drawing.paste_clutter(ground, digits, drawing.HARD, np.random.default_rng(0))
    changed = (ground != 128).any(2)
    assert 0 < changed.mean() < 0.1
    ink = drawing.random_ink(digits, 0, 128, drawing.HARD, np.random.default_rng(0))
    assert 22 * 0.7 < ink.shape[0] < 44 * 1.3
    mask = drawing.paste(ground, ink, (2, 3), drawing.HARD, np.random.default_rng(0))
    assert mask.any() and not mask[:2].any() and np.ptp(ground[mask].mean(0)) < 60


def test_hard_scenes_have_smaller_digits_and_more_of_them(tmp_path):
    found = {}
    for hard in (False, True):
        root = make_digit_scenes(tmp_path / str(hard), num_train=20, num_val=1, hard=hard, semantic=False).root
        boxes = [note['bbox'] for note in json.loads((root / 'annotations/instances_train.json').read_text())[
            'annotations']]
        found[hard] = (len(boxes), max(box[3] for box in boxes))
    assert found[True][0] > found[False][0] and found[True][1] < 48 < found[False][1]

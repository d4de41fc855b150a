"""Colours can be told apart with any colour vision, and what is written on them can be read."""

import itertools

import numpy as np
import pytest

from se_backbones.lab.pictures.colours import COLOURS, contrast, ink, palette

# Machado, Oliveira and Fernandes (2009), severity 1, of linear RGB.
VISION = {
    'protanopia': [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    'deuteranopia': [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    'tritanopia': [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    'all cones': np.eye(3)}


def seen(colours, vision):
    """Return CIELAB coordinates of RGB colours, as they are seen."""
    parts = np.array(colours) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ np.array(VISION[vision]).T
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.clip(linear, 0, 1) @ np.array(to_xyz).T / (0.95047, 1, 1.08883)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def nearest(colours, vision):
    return min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen(colours, vision), 2))


@pytest.mark.parametrize('vision', VISION)
@pytest.mark.parametrize(('classes', 'least'), [(3, 30), (6, 25), (8, 17), (10, 17)])
def test_the_colours_of_up_to_ten_classes_are_apart_for_every_reader(classes, least, vision):
    assert nearest(palette(classes), vision) > least


def test_colours_that_a_reader_confuses_would_be_seen():
    # Two of ten that this project drew with before, and the first three of COCO's vehicles, which share a dark blue.
    assert nearest([(0xE6, 0x9F, 0x00), (0xB8, 0xB4, 0x00)], 'deuteranopia') < 5
    assert nearest([(0, 0, 142), (0, 0, 70), (0, 0, 192)], 'all cones') < 30


def test_more_classes_are_lighter_and_darker_and_no_two_of_thirty_are_the_same():
    assert len(set(palette(30))) == 30 and palette(31)[30] == palette(31)[0] and len(palette(150)) == 150
    assert palette(10) == palette(30)[:10] and palette(0) == []


def test_lines_have_the_ten_colours():
    assert [tuple(bytes.fromhex(name[1:])) for name in COLOURS] == palette(10)


def test_text_has_a_contrast_of_at_least_4_58_on_any_colour():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21) and contrast((9, 9, 9), (9, 9, 9)) == 1
    assert contrast((255, 255, 255), (119, 119, 119)) == pytest.approx(4.48, abs=0.01)  # WCAG's well-known #777777
    grid = list(itertools.product(range(0, 256, 15), repeat=3)) + palette(30)
    assert min(contrast(ink(one), one) for one in grid) >= 4.58

"""Tiles of aerial scenes: each pixel serves one split, and the boxes are those of the scene."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from helpers import tree_wheel
from se_backbones.lab.convert.tree_crowns import SCENES, SPLITS, TILE, make_tree_crowns

# A crown inside of a validation tile, and one of which that tile has a tenth and the test tile beside it nine tenths.
BOXES = {'OSBS_029': [(60, 40, 100, 90), (150, 100, 250, 140)]}
SIZE = {'YELL_528000': (700, 660), 'YELL_541000': (330, 500), 'OSBS_029': (400, 400), 'SOAP_061': (400, 400)}


def scene(name: str) -> np.ndarray:
    """A picture in which every pixel has its own colour: its place in the picture, and the scene."""
    width, height = SIZE[name]
    numbers = np.arange(height * width).reshape(height, width) + (list(SCENES).index(name) << 20)
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=2).astype(np.uint8)


def number(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
    return red << 16 | green << 8 | blue


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    return tree_wheel(tmp_path_factory.mktemp('wheel'), {name: scene(name) for name in SCENES},
                      {name: BOXES.get(name, [(200, 10, 230, 40)]) for name in SCENES})


@pytest.fixture(scope='module')
def tiles(wheel, tmp_path_factory):
    return make_tree_crowns(tmp_path_factory.mktemp('data') / 'tree_crowns', wheel).root


def content(root, split):
    return json.loads((root / f'annotations/instances_{split}.json').read_text())


def test_no_pixel_of_a_validation_or_test_tile_is_trained_on(tiles):
    seen = {split: [number(np.asarray(Image.open(file))) for file in (tiles / split).iterdir()]
            for split in SPLITS}
    pixels = {split: set(np.concatenate([tile.ravel() for tile in found]).tolist()) for split, found in seen.items()}
    assert not pixels['train'] & pixels['val'] and not pixels['train'] & pixels['test']
    assert not pixels['val'] & pixels['test']
    for split in ('val', 'test'):  # tiles of these do not overlap, so that no tree is counted twice
        assert len(pixels[split]) == len(seen[split]) * TILE**2
    # Every scene is in every split, and the pixels are the scenes' own.
    assert {split: {value >> 20 for value in found} for split, found in pixels.items()} == dict.fromkeys(
        SPLITS, {0, 1, 2, 3})
    assert all((tile[1:, 0] - tile[:-1, 0] == SIZE[name][0]).all() for name in SCENES for found in seen.values()
               for tile in found if list(SCENES)[tile[0, 0] >> 20] == name)


def test_training_tiles_cover_all_that_is_not_held_out(tiles):
    covered = set()
    for file in (tiles / 'train').glob('OSBS_029*.png'):
        covered |= set(number(np.asarray(Image.open(file))).ravel().tolist())
    assert covered == set(number(scene('OSBS_029')[TILE:]).ravel().tolist())


def test_boxes_move_with_their_tile_and_a_rest_of_a_crown_is_a_crowd(tiles):
    coco = COCO(tiles / 'annotations/instances_val.json')
    (image,) = (image for image in coco.loadImgs(coco.getImgIds()) if image['scene'] == 'OSBS_029')
    assert (image['x'], image['y'], image['file_name']) == (0, 0, 'OSBS_029_0000_0000.png')
    notes = {tuple(note['bbox']): note['iscrowd'] for note in coco.loadAnns(coco.getAnnIds(image['id']))}
    assert notes == {(60, 40, 40, 50): 0, (150, 100, 10, 40): 1}
    test = content(tiles, 'test')
    (image,) = (image for image in test['images'] if image['scene'] == 'OSBS_029')
    assert (image['x'], image['y']) == (160, 0)
    assert [(note['bbox'], note['iscrowd'], note['area']) for note in test['annotations']
            if note['image_id'] == image['id']] == [([0, 100, 90, 40], 0, 3600)]


def test_an_unpacked_wheel_gives_the_same_files(tiles, wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / 'unpacked')
    made = make_tree_crowns(tmp_path / 'again', tmp_path / 'unpacked')
    assert made.made and made.counts['train']['images'] == len(content(tiles, 'train')['images'])
    for split in SPLITS:
        assert content(made.root, split) == content(tiles, split)


def test_sources_are_named_in_the_annotation_files(tiles):
    data = content(tiles, 'train')
    assert 'NEON' in data['info']['contributor'] and {'MIT', 'CC0'} == {entry['name'].split()[0] for entry in data[
        'licenses']}


def tool(folder, *words):
    return subprocess.run([sys.executable, '-m', 'se_backbones', 'data', 'trees', *map(str, words)],
                          cwd=folder, text=True, capture_output=True)


def test_without_the_wheel_one_line_says_how_to_get_it(tmp_path):
    done = tool(tmp_path)
    assert done.returncode == 1 and done.stdout == ''
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]
    assert done.stderr == ('error: There is no deepforest-2.1.0-py3-none-any.whl; get it with: pip download --no-deps '
                           'deepforest==2.1.0\n')


@pytest.mark.parametrize(('name', 'text'), [('other-1.0-py3-none-any.whl', 'is not deepforest 2.1.0'),
                                            ('broken.whl', 'is not a wheel')])
def test_what_is_not_the_wheel_is_refused(tmp_path, name, text):
    if name == 'broken.whl':
        (tmp_path / name).write_text('broken')
    else:
        with zipfile.ZipFile(tmp_path / name, 'w') as archive:
            archive.writestr('other/__init__.py', '')
    with pytest.raises(ValueError, match=text):
        make_tree_crowns(tmp_path / 'data/tree_crowns', tmp_path / name)
    assert not list((tmp_path / 'data').iterdir())


@pytest.mark.parametrize('kind', ['png', 'xml'])
def test_a_damaged_file_in_the_wheel_is_named(wheel, tmp_path, kind):
    name = f'deepforest/data/OSBS_029.{kind}'
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / 'unpacked')
        start = archive.getinfo(name).header_offset + 30 + len(name)
    (tmp_path / 'unpacked' / name).write_bytes(b'cut short')
    content = bytearray(wheel.read_bytes())
    content[start + 20] ^= 255
    (tmp_path / wheel.name).write_bytes(content)
    for damaged in (wheel.name, 'unpacked'):
        with pytest.raises(ValueError, match=rf'OSBS_029\.{kind} in .*{damaged} is damaged'):
            make_tree_crowns(tmp_path / 'data/tree_crowns', tmp_path / damaged)

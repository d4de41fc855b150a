"""The papers' experiments at small scale: datasets of a few images in the layouts of the configs, and runs on them."""

import itertools
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import se_backbones
from se_backbones.datasets import pixel_jitter, places365  # noqa: F401

# Registers what the configs name by its prefix.
from se_backbones.evaluation import validation_loss  # noqa: F401
from se_backbones.lab.digits import make_digit_scenes  # noqa: F401

_names = itertools.count()


def images(folder: Path, names: list[str], seed: int = 0) -> None:
    """Write small JPEGs of noise; names may have folders."""
    draw = np.random.default_rng(seed)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw.integers(0, 256, (40, 48, 3), dtype=np.uint8))


@pytest.fixture
def config():
    """Return a function that loads a shipped config and merges options into it, as those of the command line."""
    def load(name: str, options: dict | None = None) -> Config:
        cfg = Config.fromfile(se_backbones.config_path(name))
        cfg.merge_from_dict(options or {})
        return cfg
    return load


@pytest.fixture
def runner(tmp_path):
    """Return a function that builds the Runner of a config with small batches in this process."""
    def build(cfg: Config) -> Runner:
        cfg.work_dir = str(tmp_path / 'work')
        cfg.experiment_name = f'test_configs_{next(_names)}'
        for loop in ('train', 'val', 'test'):
            cfg[f'{loop}_dataloader'].update(num_workers=0, persistent_workers=False, batch_size=4)
        cfg.default_hooks.logger.interval = 1
        return Runner.from_cfg(cfg)
    return build


@pytest.fixture(scope='session')
def imagenet(tmp_path_factory):
    """Eight training and four validation images with labels in meta/, which needs no thousand folders."""
    root = tmp_path_factory.mktemp('imagenet')
    (root / 'meta').mkdir()
    for split, count in (('train', 8), ('val', 4)):
        names = [f'{number}.jpg' for number in range(count)]
        images(root / split, names)
        (root / 'meta' / f'{split}.txt').write_text(''.join(f'{name} {7 * k}\n' for k, name in enumerate(names)))
    return root


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Both CIFAR sets, eight images in each file, in the layout of their archives."""
    from mmpretrain.datasets import CIFAR10, CIFAR100
    draw = np.random.default_rng(0)
    for kind, files, key in ((CIFAR10, ('data_batch_1', 'test_batch'), 'labels'),
                             (CIFAR100, ('train', 'test'), 'fine_labels')):
        folder = tmp_path / kind.__name__.lower() / kind.base_folder
        folder.mkdir(parents=True)
        for file in files:
            content = {'data': draw.integers(0, 256, (8, 3 * 32 * 32), dtype=np.uint8), key: list(range(8))}
            (folder / file).write_bytes(pickle.dumps(content))
        # The published files' digests are not these files'.
        monkeypatch.setattr(kind, 'train_list', [[files[0], None]])
        monkeypatch.setattr(kind, 'test_list', [[files[1], None]])
    return tmp_path


@pytest.fixture(scope='session')
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp('places365')
    train = [f'a/airfield/{number:08d}.jpg' for number in range(8)]
    val = [f'Places365_val_{number:08d}.jpg' for number in range(4)]
    images(root / 'data_256_challenge', train)
    images(root / 'val_256', val)
    (root / 'places365_train_challenge.txt').write_text(''.join(f'/{name} {k}\n' for k, name in enumerate(train)))
    (root / 'places365_val.txt').write_text(''.join(f'{name} {364 - k}\n' for k, name in enumerate(val)))
    return root


@pytest.fixture(scope='session')
def coco(tmp_path_factory):
    """Digit scenes as COCO: 10 + 4 images in the files of 2017, the same ones as 6 + 8 in those of 2014."""
    root = make_digit_scenes(tmp_path_factory.mktemp('data') / 'coco', num_train=10, num_val=4, size=96,
                             layout='coco2017').root
    annotations = root / 'annotations'
    train, val = (json.loads((annotations / f'instances_{split}2017.json').read_text()) for split in ('train', 'val'))
    for kind, key in (('images', 'id'), ('annotations', 'image_id'), ('annotations', 'id')):
        for entry in val[kind]:
            entry[key] += 1000  # as in COCO, no id is in both files
    (annotations / 'instances_val2017.json').write_text(json.dumps(val))

    def release(name, *parts):
        content = dict(train, images=[], annotations=[])
        (root / name).mkdir()
        for source, folder, images_of_part in parts:
            ids = {image['id'] for image in images_of_part}
            content['images'] += images_of_part
            content['annotations'] += [note for note in source['annotations'] if note['image_id'] in ids]
            for image in images_of_part:
                (root / name / image['file_name']).symlink_to(root / folder / image['file_name'])
        (annotations / f'instances_{name}.json').write_text(json.dumps(content))

    release('train2014', (train, 'train2017', train['images'][:6]))
    release('val2014', (train, 'train2017', train['images'][6:]), (val, 'val2017', val['images']))
    return root

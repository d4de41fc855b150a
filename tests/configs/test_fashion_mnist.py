"""Fashion-MNIST in the configs: no network is trained on a test image, and who lacks the data is told where it is."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

import se_backbones
from se_backbones.datasets.expected import describe, required
from se_backbones.lab.sweep import read_sweep

FOLDER = Path(se_backbones.config_path('fashion_mnist'))
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
COUNTS = {'train': 12, 't10k': 5}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Small files of the published form; every pixel of an image is its number, of a test image 100 more."""
    root = tmp_path_factory.mktemp('fashion_mnist')
    for split, count in COUNTS.items():
        numbers = np.arange(count, dtype=np.uint8) + 100 * (split == 't10k')
        head = np.array([0x803, count, 28, 28], '>i4').tobytes()
        (root / f'{split}-images-idx3-ubyte').write_bytes(head + np.repeat(numbers, 28 * 28).tobytes())
        (root / f'{split}-labels-idx1-ubyte').write_bytes(np.array([0x801, count], '>i4').tobytes()
                                                          + (numbers % 10).astype(np.uint8).tobytes())
    return root


def numbers(loader, root):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        import mmpretrain.datasets  # noqa: F401
        data = DATASETS.build({**loader.dataset, 'data_root': str(root), 'pipeline': []})
    return [int(data[index]['img'].max()) for index in range(len(data))]


def test_the_plain_network_is_trained_on_no_test_image(root):
    cfg = Config.fromfile(FOLDER / 'preresnet14_plain.py')
    assert numbers(cfg.train_dataloader, root) == list(range(12))
    assert numbers(cfg.val_dataloader, root) == numbers(cfg.test_dataloader, root) == [100, 101, 102, 103, 104]


@pytest.mark.parametrize('name', CONFIGS)
def test_networks_differ_by_nothing_but_the_model(name):
    """Images and recipe are the plain ResNet-14's; nothing is chosen by the test images."""
    plain, cfg = (Config.fromfile(FOLDER / each).to_dict() for each in ('preresnet14_plain.py', name))
    plain.pop('model')
    cfg.pop('model')
    assert cfg == plain
    assert cfg['default_hooks']['checkpoint']['save_best'] is None
    assert cfg['train_cfg']['val_interval'] == cfg['train_cfg']['max_epochs'] == cfg['param_scheduler']['total_steps']


def test_every_config_is_in_a_list():
    lists = [read_sweep([path]) for path in FOLDER.glob('*.toml')]
    assert sorted({name for each in lists for name in each.configs}) == CONFIGS
    assert all(each.paired for each in lists)


def test_who_lacks_the_data_is_told_both_routes():
    cfg = Config.fromfile(FOLDER / 'preresnet14_plain.py')
    text = describe(cfg.train_dataloader.dataset)
    assert 'github.com/zalandoresearch/fashion-mnist' in text and 'apt-get download dataset-fashion-mnist' in text
    assert 'se-backbones data fashion-mnist' in text and '--out data/fashion_mnist' in text
    assert 'data/fashion_mnist/t10k-images-idx3-ubyte' in required(cfg.train_dataloader.dataset)

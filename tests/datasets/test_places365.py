"""Places365's own lists, compared with torchvision's reader of the same files."""

from collections import Counter

import pytest
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS
from PIL import Image

from se_backbones import config_path
from se_backbones.datasets.places365 import Places365

TRAIN = ['/a/airfield/00000001.jpg 0', '/b/bakery/shop/00000002.jpg 25', '/z/zen_garden/00000003.jpg 364']


@pytest.fixture
def root(tmp_path):
    for line in TRAIN:
        path = tmp_path / 'data_256_challenge' / line.split()[0].lstrip('/')
        path.parent.mkdir(parents=True)
        Image.new('RGB', (4, 4)).save(path)
    (tmp_path / 'places365_train_challenge.txt').write_text('\n'.join(TRAIN) + '\n')
    return tmp_path


def dataset(root, ann_file='places365_train_challenge.txt'):
    return Places365(data_root=str(root), ann_file=ann_file, data_prefix=dict(img_path='data_256_challenge'))


def test_paths_and_labels_are_those_of_torchvision(root, monkeypatch):
    import torchvision
    kind = torchvision.datasets.Places365
    categories = ''.join(f'/c/class{number} {number}\n' for number in range(365))
    (root / 'categories_places365.txt').write_text(categories)
    monkeypatch.setattr(kind, '_check_integrity', lambda self, file, md5, download: True)
    theirs = kind(str(root), 'train-challenge', small=True)
    ours = dataset(root)
    assert [(info['img_path'], info['gt_label']) for info in map(ours.get_data_info, range(len(ours)))] == theirs.imgs
    assert len(ours) == 3


def test_classes_of_all_sizes_are_drawn_equally_often(root):
    """The class-aware sampling of arXiv 1512.05830, to which the SE paper's section 5.2 refers."""
    lines = [f'/{label}/{number}.jpg {label}' for label, size in ((0, 50), (7, 5), (364, 1)) for number in range(size)]
    (root / 'places365_train_challenge.txt').write_text('\n'.join(lines) + '\n')
    cfg = Config.fromfile(config_path('senet/places365/se-resnet152_32xb32_places365.py')).train_dataloader.sampler
    sampler = DATA_SAMPLERS.build(dict(cfg, dataset=dataset(root), seed=0))
    drawn = list(sampler)
    labels = [sampler.dataset.get_cat_ids(index)[0] for index in drawn]
    assert len(drawn) == 56 and Counter(labels[:54]) == {0: 18, 7: 18, 364: 18}
    assert len({index for index in drawn if index < 50}) >= 18  # no image twice before all of its class


def test_a_broken_line_is_named(root):
    (root / 'broken.txt').write_text('a.jpg 3\nb.jpg\n')
    with pytest.raises(ValueError, match=r"broken.txt, line 2: expected 'path label', got 'b.jpg'"):
        dataset(root, 'broken.txt')

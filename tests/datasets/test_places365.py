"""Places365's own lists, compared with torchvision's reader of the same files."""

import pytest
from PIL import Image

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


def test_a_broken_line_is_named(root):
    (root / 'broken.txt').write_text('a.jpg 3\nb.jpg\n')
    with pytest.raises(ValueError, match=r"broken.txt, line 2: expected 'path label', got 'b.jpg'"):
        dataset(root, 'broken.txt')

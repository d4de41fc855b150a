"""The single digits are an image folder that classification datasets read."""

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from se_backbones.lab.digits import make_single_digits, preview_digits
from se_backbones.lab.digits.drawing import load_split_digits


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    return make_single_digits(tmp_path_factory.mktemp('data') / 'digits')


def read(root, split):
    files = sorted((root / split).glob('*/*.png'))
    grey = np.stack([np.asarray(Image.open(file)) for file in files])
    return files, grey, np.array([int(file.parent.name) for file in files])


def test_every_digit_is_there_once_under_its_class_and_split(digits):
    assert digits.counts == {'train': {'images': 1438, 'digits': 1438}, 'val': {'images': 359, 'digits': 359}}
    for split, source in load_split_digits().items():
        files, grey, labels = read(digits.root, split)
        assert grey.shape == (len(source.index), 32, 32)
        assert grey.dtype == np.uint8
        assert dict(zip((int(file.stem) for file in files), labels.tolist(), strict=True)) == dict(
            zip(source.index.tolist(), source.label.tolist(), strict=True))


def test_bytes_are_the_same_each_time(digits, tmp_path):
    again = make_single_digits(tmp_path / 'again').root
    files = [path.relative_to(again) for path in again.rglob('*') if path.is_file()]
    assert len(files) == 1798
    assert all((again / file).read_bytes() == (digits.root / file).read_bytes() for file in files)


def test_mmpretrain_reads_the_class_of_a_digit_as_its_label(digits):
    from mmpretrain.datasets import CustomDataset
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = CustomDataset(data_root=str(digits.root), data_prefix='val', with_label=True,
                                pipeline=[{'type': 'LoadImageFromFile'}, {'type': 'PackInputs'}])
        sample = dataset[0]
    assert len(dataset) == 359
    assert tuple(dataset.CLASSES) == tuple('0123456789')
    assert dataset.get_gt_labels().tolist() == read(digits.root, 'val')[2].tolist()
    assert tuple(sample['inputs'].shape) == (3, 32, 32)


def test_a_support_vector_machine_reads_98_percent(digits):
    from sklearn.svm import SVC
    pixels, labels = {}, {}
    for split in ('train', 'val'):
        _, grey, labels[split] = read(digits.root, split)
        pixels[split] = grey[:, ::2, ::2].reshape(len(grey), -1) / 255
    assert SVC(C=10).fit(pixels['train'], labels['train']).score(pixels['val'], labels['val']) >= 0.98


@pytest.mark.parametrize('size', [4, 32.0, True])
def test_a_size_out_of_range_is_refused(tmp_path, size):
    with pytest.raises(ValueError, match='size must be an int of at least 8'):
        make_single_digits(tmp_path / 'a', size=size)


def test_preview_has_a_row_for_each_class(digits, tmp_path):
    file = preview_digits(digits.root, tmp_path / 'digits.png', columns=5)
    assert Image.open(file).size == (160, 320)

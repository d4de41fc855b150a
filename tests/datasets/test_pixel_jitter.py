"""The additive jitter: uniform, within its bound, and never around the corner of 0 or 255."""

import numpy as np
import pytest

from se_backbones.datasets.pixel_jitter import PixelJitter


def offsets(per, repeats, value=128.0, shape=(5, 6, 3)):
    np.random.seed(0)
    jitter = PixelJitter(20, per)
    return np.stack([jitter(dict(img=np.full(shape, value, np.float32)))['img'] - value for _ in range(repeats)])


@pytest.mark.parametrize(('per', 'distinct'), [('image', 1), ('channel', 3), ('pixel', 90)])
def test_each_image_channel_or_pixel_has_an_offset_of_its_own(per, distinct):
    for each in offsets(per, 5):
        assert len(np.unique(each)) == distinct
    if per == 'channel':
        assert all(len(np.unique(each[..., channel])) == 1 for each in offsets(per, 5) for channel in range(3))


def test_offsets_are_uniform_between_minus_and_plus_delta():
    found = offsets('channel', 2000)[:, 0, 0, 0]
    histogram, _ = np.histogram(found, bins=8, range=(-20, 20))
    assert np.abs(found).max() <= 20 and histogram.sum() == 2000
    assert 190 < histogram.min() and histogram.max() < 310


@pytest.mark.parametrize('value', [0, 3, 252, 255])
def test_bytes_stop_at_0_and_255(value):
    np.random.seed(0)
    for _ in range(50):
        image = PixelJitter(20)(dict(img=np.full((2, 2, 3), value, np.uint8)))['img']
        assert image.dtype == np.uint8
        assert np.abs(image.astype(int) - value).max() <= 20


def test_the_input_image_is_left_alone():
    image = np.full((2, 2, 3), 100, np.uint8)
    assert (PixelJitter()(dict(img=image))['img'] != 100).any() and (image == 100).all()


@pytest.mark.parametrize('delta', [0, -1, 256, '20', True])
def test_wrong_deltas_are_refused(delta):
    with pytest.raises(ValueError, match=r'PixelJitter.delta must be above 0 and at most 255, got'):
        PixelJitter(delta)


def test_wrong_per_is_refused():
    with pytest.raises(ValueError, match=r"PixelJitter.per must be one of 'channel', 'image', 'pixel', got 'chanel'"):
        PixelJitter(per='chanel')

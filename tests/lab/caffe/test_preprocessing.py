"""Networks that are rewritten for RGB images of ImageNet's mean and deviation."""

import pytest
import torch
import torch.nn.functional as F

from se_backbones.lab.caffe import convert_caffemodel
from se_backbones.pretrained.errors import LayoutError
from se_backbones.registry import MODELS

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]).double(), torch.tensor([58.395, 57.12, 57.375]).double()
BGR_MEAN = torch.tensor([104, 117, 123]).double()
STEMS = {
    'se_resnet': (lambda c: c.se_resnet((1,), (64, 64)), 'conv1', 'bn1'),
    'senet': (lambda c: c.senet((1,), (64, 64)), 'stem.0', 'stem.1'),
    'se_bn_inception': (lambda c: c.se_bn_inception((64, 64)), 'conv1_7x7_s2.conv', 'conv1_7x7_s2.bn'),
    'genet': (lambda c: c.genet('GEPF', (1,), (64, 64)), 'conv1', 'bn1'),
}


def both(caffe, write, family):
    build, conv, norm = STEMS[family]
    model = write(build(caffe))[0]
    plain, folded = convert_caffemodel(model), convert_caffemodel(model, fold_preprocessing='imagenet')
    assert plain.preprocessing == dict(channel_order='bgr', mean=(104, 117, 123), std=(1, 1, 1))
    assert folded.preprocessing['channel_order'] == 'rgb' and folded.preprocessing['std'] == (58.395, 57.12, 57.375)
    return plain, folded, conv, norm


def images():
    rgb = torch.randint(256, (2, 3, 64, 64)).double()
    return (rgb.flip(1) - BGR_MEAN[:, None, None]), (rgb - MEAN[:, None, None]) / STD[:, None, None]


def stem(state, conv, norm, x, padding):
    weight = state[f'{conv}.weight'].double()
    x = F.conv2d(x, weight, stride=2, padding=weight.shape[-1] // 2 if padding else 0)
    mean, variance = (state[f'{norm}.{name}'].double()[:, None, None] for name in ('running_mean', 'running_var'))
    return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize('family', STEMS)
def test_the_first_map_is_the_same_but_for_its_border(caffe, write, family):
    plain, folded, conv, norm = both(caffe, write, family)
    bgr, rgb = images()
    before, after = stem(plain.state, conv, norm, bgr, True), stem(folded.state, conv, norm, rgb, True)
    # Padding of 3 reaches two rows of outputs, padding of 1 one; on even sizes of the image only at the top and left.
    inside = (..., slice(2, -2), slice(2, -2))
    assert (after - before)[inside].abs().max() < 1e-5 * before.abs().max()
    assert (after - before).abs().max() > 1e-4 * before.abs().max()


@pytest.mark.parametrize('family', STEMS)
def test_the_border_sees_imagenets_mean_colour_around_the_image(caffe, write, family):
    plain, folded, conv, norm = both(caffe, write, family)
    bgr, rgb = images()
    pad = plain.state[f'{conv}.weight'].shape[-1] // 2
    framed = (MEAN.flip(0) - BGR_MEAN)[:, None, None] * torch.ones(2, 1, 64 + 2 * pad, 64 + 2 * pad)
    framed[..., pad:-pad, pad:-pad] = bgr
    before, after = stem(plain.state, conv, norm, framed, False), stem(folded.state, conv, norm, rgb, True)
    assert (after - before).abs().max() < 1e-5 * before.abs().max()


@torch.no_grad()
def test_the_whole_network_differs_by_the_border_alone(caffe, write):
    plain, folded, *_ = both(caffe, write, 'se_resnet')
    maps = []
    for converted, image in zip((plain, folded), images()):
        backbone = MODELS.build(converted.backbone)
        backbone.load_state_dict({key: value for key, value in converted.state.items() if not key.startswith('head.')})
        maps.append(backbone.double().eval()(image)[-1])
    assert (maps[1] - maps[0]).abs().max() < 0.02 * maps[0].abs().max()


def test_images_of_other_channels_cannot_be_folded(caffe, write):
    net = caffe.se_resnet((1,), (64, 64))
    net.layer('conv1/7x7_s2')['blobs'][0] = net.uniform(-1, 1, 8, 4, 7, 7)
    model = write(net)[0]
    assert convert_caffemodel(model).backbone['in_channels'] == 4
    with pytest.raises(LayoutError, match="fold_preprocessing='imagenet' is for images of 3 channels; .* takes 4"):
        convert_caffemodel(model, fold_preprocessing='imagenet')


def test_other_tensors_stay_as_they_are(caffe, write):
    plain, folded, conv, norm = both(caffe, write, 'se_resnet')
    changed = {key for key in plain.state if not torch.equal(plain.state[key], folded.state[key])}
    assert changed == {f'{conv}.weight', f'{norm}.running_mean'}

"""Residual networks equal torchvision's, mmpretrain's and timm's; parameter counts are the papers'."""

import re

import pytest
import timm
import torch
import torchvision
from mmengine.registry import MODELS, DefaultScope

from helpers import as_if_trained

SE = dict(op=dict(type='SqueezeExcite'))
# Halved as often as 224 px without a remainder, and with one each time.
SIZES = (96, 97)


def build(kind, **kwargs):
    return MODELS.build(dict(type=f'se_backbones.{kind}', **kwargs))


def trainable(kind, classes=1000, **kwargs):
    with torch.device('meta'):
        backbone = build(kind, **kwargs)
    width = backbone.feature_info[-1].channels
    return sum(p.numel() for p in backbone.parameters()) + (width + 1) * classes


@pytest.mark.parametrize(('kind', 'kwargs', 'expected'), [
    # reference: the released prototxts, counted with the classifier
    ('ResNet', dict(depth=50, context=SE), 28_088_024),
    ('ResNet', dict(depth=101, context=SE), 49_326_872),
    ('ResNet', dict(depth=152, context=SE), 66_821_848),
    ('ResNeXt', dict(depth=50, context=SE), 27_559_896),
    ('ResNeXt', dict(depth=101, context=SE), 48_955_416),
    ('SENet', dict(depth=154), 115_088_984),
    ('ResNet', dict(depth=50, context=dict(op=dict(type='GatherExcite'))), 25_557_032),
    ('ResNet', dict(depth=50, context=dict(op=dict(type='GatherExcite', variant='theta'))), 31_106_600),
    ('ResNet', dict(depth=50, context=dict(op=dict(type='GatherExcite', variant='theta_plus'))), 33_637_592),
])
def test_parameter_count_is_the_released_networks(kind, kwargs, expected):
    assert trainable(kind, **kwargs) == expected


@pytest.mark.parametrize(('ratio', 'millions'), [(2, 45.677), (4, 35.617), (8, 30.587), (16, 28.072), (32, 26.815)])
def test_ratio_gives_the_parameter_count_of_table_10(ratio, millions):
    op = dict(type='SqueezeExcite', ratio=ratio, bias=False)
    assert round(trainable('ResNet', depth=50, context=dict(op=op)) / 1e6, 3) == millions


def test_se_on_the_3x3_has_the_parameter_count_of_table_15():
    context = dict(op=dict(type='SqueezeExcite', bias=False), placement='3x3')
    assert round(trainable('ResNet', depth=50, context=context) / 1e6, 3) == 25.714


@pytest.mark.parametrize(('stage', 'millions'), [(0, 25.582), (1, 25.688), (2, 26.343)])
def test_se_in_one_stage_has_the_parameter_count_of_table_13(stage, millions):
    stages = tuple(index == stage for index in range(4))
    op = dict(type='SqueezeExcite', bias=False)
    assert round(trainable('ResNet', depth=50, context=dict(op=op, stages=stages)) / 1e6, 3) == millions


@pytest.mark.parametrize(('stage', 'millions'), [(0, 27.967), (1, 27.167), (2, 26.774)])
def test_theta_in_one_stage_has_the_parameter_count_of_ge_table_1(stage, millions):
    op, stages = dict(type='GatherExcite', variant='theta'), tuple(index == stage for index in range(4))
    assert round(trainable('ResNet', depth=50, context=dict(op=op, stages=stages)) / 1e6, 3) == millions


def assert_same_maps(ours, oracle_stages, images):
    """Compare all four stage outputs; float32 rounding over a deep network, relative to the map's largest value."""
    ours.eval()
    with torch.no_grad():
        for ours_map, oracle_map in zip(ours(images), oracle_stages(images), strict=True):
            assert ours_map.shape == oracle_map.shape
            assert (ours_map - oracle_map).abs().max() <= 2e-5 * oracle_map.abs().max()


def torchvision_stages(net):
    def run(x):
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        maps = []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            maps.append(x := stage(x))
        return maps
    return run


@pytest.mark.parametrize(('name', 'kind', 'kwargs'), [
    ('resnet18', 'ResNet', dict(depth=18)),
    ('resnet50', 'ResNet', dict(depth=50)),
    ('wide_resnet50_2', 'ResNet', dict(depth=50, base_width=128)),
    ('resnext50_32x4d', 'ResNeXt', dict(depth=50)),
])
def test_plain_network_equals_torchvision(name, kind, kwargs):
    oracle = getattr(torchvision.models, name)(weights=None).eval()
    as_if_trained(oracle)
    ours = build(kind, out_indices=(0, 1, 2, 3), **kwargs)
    result = ours.load_state_dict(oracle.state_dict(), strict=False)
    assert not result.missing_keys
    assert result.unexpected_keys == ['fc.weight', 'fc.bias']
    for size in SIZES:
        assert_same_maps(ours, torchvision_stages(oracle), torch.randn(1, 3, size, size))


def test_se_resnet_equals_mmpretrain():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        oracle = MODELS.build(dict(type='mmpretrain.SEResNet', depth=50, out_indices=(0, 1, 2, 3)))
    oracle.eval()  # its train() returns None
    as_if_trained(oracle)
    ours = build('ResNet', depth=50, context=SE, out_indices=(0, 1, 2, 3))
    renamed = {key.replace('se_layer.conv1.conv', 'context.standard.excite.down')
                  .replace('se_layer.conv2.conv', 'context.standard.excite.up'): value
               for key, value in oracle.state_dict().items()}
    ours.load_state_dict(renamed)
    # In float64: a hundred random units amplify the rounding of float32.
    ours.double(), oracle.double()
    for size in SIZES:
        assert_same_maps(ours, oracle, torch.randn(1, 3, size, size, dtype=torch.float64))


def from_timm_legacy(key):
    key = key.replace('se_module.fc1', 'context.standard.excite.down').replace('se_module.fc2',
                                                                             'context.standard.excite.up')
    # SENet-154's stem: layer0.conv1, bn1, relu1, conv2, ... is our stem.0, 1, 2, 3, ...
    return re.sub(r'^layer0\.(conv|bn)(\d)', lambda m: f'stem.{3 * (int(m[2]) - 1) + (m[1] == "bn")}', key)


@pytest.mark.parametrize(('name', 'kind', 'kwargs'), [
    ('legacy_seresnet50', 'ResNet', dict(depth=50, style='caffe', stem_pool='caffe', context=SE)),
    ('legacy_seresnext50_32x4d', 'ResNeXt', dict(depth=50, stem_pool='caffe', context=SE)),
    ('legacy_senet154', 'SENet', {}),
])
def test_released_network_equals_timm(name, kind, kwargs):
    oracle = timm.create_model(name, pretrained=False).eval()
    as_if_trained(oracle)
    ours = build(kind, out_indices=(0, 1, 2, 3), **kwargs)
    single_stem = not ours.deep_stem
    state = {(key.removeprefix('layer0.') if single_stem else from_timm_legacy(key)): value
             for key, value in oracle.state_dict().items() if not key.startswith('last_linear')}
    ours.load_state_dict({from_timm_legacy(key): value for key, value in state.items()})

    def stages(x):
        x = oracle.pool0(oracle.layer0(x))
        return [x := stage(x) for stage in (oracle.layer1, oracle.layer2, oracle.layer3, oracle.layer4)]
    ours.double(), oracle.double()  # see above
    for size in SIZES:
        assert_same_maps(ours, stages, torch.randn(1, 3, size, size, dtype=torch.float64))

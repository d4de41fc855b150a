"""A checkpoint that nearly fits: it is made to fit where that is exact or asked for, else the right cause is named."""

import pytest
import torch
from mmengine.registry import MODELS
from mmengine.runner import load_checkpoint
from torch import nn

from helpers import as_if_trained

NARROW = dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=4)
SE = dict(op=dict(type='SqueezeExcite', ratio=4))


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves tensors and returns the path."""
    def save(state):
        torch.save(dict(state), tmp_path / 'weights.pth')
        return str(tmp_path / 'weights.pth')
    return save


def loaded(path, init=(), **kwargs):
    net = MODELS.build(dict(NARROW, init_cfg=dict(type='Pretrained', checkpoint=path, **dict(init)), **kwargs))
    net.init_weights()
    return net.eval()


@pytest.mark.parametrize('context', [None, SE], ids=['plain', 'SE'])
def test_a_grey_network_sums_over_the_colours(saved, context):
    net = as_if_trained(MODELS.build(NARROW)).eval()
    grey = torch.randn(2, 1, 64, 64)
    found = loaded(saved(net.state_dict()), dict(adapt_input=True), in_channels=1, context=context)(grey)
    torch.testing.assert_close(found, net(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize('deep_stem', [False, True])
@pytest.mark.parametrize('channels', [2, 4, 6])
def test_other_numbers_of_channels_are_what_timm_makes_of_them(saved, channels, deep_stem):
    from timm.models._manipulate import adapt_input_conv
    net = MODELS.build(dict(NARROW, deep_stem=deep_stem))
    first = 'stem.0.weight' if deep_stem else 'conv1.weight'
    found = loaded(saved(net.state_dict()), dict(adapt_input=True), in_channels=channels, deep_stem=deep_stem)
    expected = adapt_input_conv(channels, net.state_dict()[first])
    torch.testing.assert_close(found.state_dict()[first], expected)


@pytest.mark.parametrize('channels', [1, 2, 4])
def test_only_colours_are_adapted(saved, channels):
    path = saved(MODELS.build(dict(NARROW, in_channels=channels)).state_dict())
    with pytest.raises(ValueError, match=rf'1 have another shape \(conv1.weight is 4x{channels}x7x7 there and 4x5x7x7'):
        loaded(path, dict(adapt_input=True), in_channels=5)


@pytest.mark.parametrize('channels', [1, 4])
def test_without_being_asked_the_cause_is_named(saved, log, channels):
    path = saved(MODELS.build(NARROW).state_dict())
    words = f'Likely cause: in_channels={channels} here and 3 there; init_cfg=dict(type="se_backbones.Pretrained", ' \
        '..., adapt_input=True) adapts the first convolution'
    with pytest.raises(ValueError) as error:
        loaded(path, in_channels=channels)
    assert words in str(error.value)
    load_checkpoint(MODELS.build(dict(NARROW, in_channels=channels)), path)
    assert any(level == 'WARNING' and words in line for level, line in log)


def with_biases(net, *layers):
    for layer in layers:
        conv = net.get_submodule(layer)
        conv.bias = nn.Parameter(torch.randn(conv.out_channels))
    return net


@pytest.mark.parametrize('context', [None, SE], ids=['plain', 'SE'])
def test_biases_before_a_batch_norm_go_into_its_mean(saved, context):
    """At every door, the last norm of a branch included, which is doubled."""
    net = with_biases(as_if_trained(MODELS.build(NARROW)), 'conv1', 'layer1.0.conv3', 'layer2.0.downsample.0').eval()
    images, path = torch.randn(2, 3, 64, 64), saved(net.state_dict())
    by_load_from = MODELS.build(dict(NARROW, context=context)).eval()
    load_checkpoint(by_load_from, path)
    for found in (loaded(path, context=context), by_load_from):
        torch.testing.assert_close(found(images), net(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_biases_of_half_precision_go_into_the_mean_exactly(saved, dtype):
    state = with_biases(MODELS.build(NARROW), 'conv1').to(dtype).state_dict()
    state['bn1.running_mean'] = torch.full((4,), 1.0, dtype=dtype)
    found = loaded(saved(state)).state_dict()['bn1.running_mean']
    assert torch.equal(found, 1 - state['conv1.bias'].float())


def test_biases_that_no_mean_can_take_are_named(saved, log):
    norm_cfg = dict(type='GN', num_groups=2)
    path = saved(with_biases(MODELS.build(dict(NARROW, norm_cfg=norm_cfg)), 'layer1.0.conv2').state_dict())
    words = ("layer1.0.conv2.bias is of a layer without a bias, and not of a convN or downsample.0 whose batch norm's "
             'mean could take it')
    with pytest.raises(ValueError, match=words):
        loaded(path, norm_cfg=norm_cfg)
    load_checkpoint(MODELS.build(dict(NARROW, norm_cfg=norm_cfg)), path)
    assert any(level == 'WARNING' and words in line for level, line in log)


def test_biases_behind_a_batch_norm_are_refused(saved):
    """In a pre-activation unit the norm of a convolution's number stands before it."""
    config = dict(type='se_backbones.PreActResNet', depth=(1, 1, 1), block='basic', base_channels=4)
    path = saved(with_biases(MODELS.build(config), 'layer1.0.conv1').state_dict())
    net = MODELS.build(dict(config, init_cfg=dict(type='Pretrained', checkpoint=path)))
    with pytest.raises(ValueError, match=r'layer1\.0\.conv1\.bias is of a layer without a bias'):
        net.init_weights()


@pytest.mark.parametrize('key', ['layer1.0.res_scale', 'layer1.0.bn3.gain'])
def test_a_tensor_that_a_layer_of_ours_does_not_have_is_named(saved, key):
    path = saved({**MODELS.build(NARROW).state_dict(), key: torch.full((16,), 0.1)})
    with pytest.raises(ValueError, match=rf'1 belong to layers that it does not have \({key}\)'):
        loaded(path)


@pytest.mark.parametrize(('key', 'change', 'words'), [
    ('layer1.0.conv1.weight', lambda value: value.fill_(float('nan')), 'holds NaN or infinity'),
    ('layer1.0.bn1.bias', lambda value: value.fill_(float('inf')), 'holds NaN or infinity'),
    ('layer1.0.bn1.running_var', lambda value: value.neg_(), 'is a variance below 0'),
    ('layer1.0.conv2.weight', lambda value: value.zero_(), 'is zero everywhere'),
    ('layer1.0.conv2.weight', lambda value: value.mul(127).to(torch.int8), 'holds numbers of torch.int8'),
])
def test_values_of_no_trained_network_are_named(saved, log, key, change, words):
    state = MODELS.build(NARROW).state_dict()
    state[key] = change(state[key].clone())
    path = saved(state)
    with pytest.raises(ValueError, match=rf'1 cannot be trained weights \({key} {words}\).*Likely cause: a training'):
        loaded(path)
    load_checkpoint(MODELS.build(NARROW), path)
    assert any(level == 'WARNING' and f'{key} {words}' in line for level, line in log)


def test_float8_is_named_where_the_hosts_read(saved, log):
    """Its scales are in other files; our reading refuses it outright."""
    state = MODELS.build(NARROW).state_dict()
    state['conv1.weight'] = state['conv1.weight'].to(torch.float8_e4m3fn)
    load_checkpoint(MODELS.build(NARROW), saved(state))
    assert any(level == 'WARNING' and 'holds numbers of torch.float8_e4m3fn' in line for level, line in log)


def test_zeros_of_a_start_are_no_fault(saved):
    """What zero_init_residual zeroes, and a gate that was just inserted."""
    net = MODELS.build(dict(NARROW, zero_init_residual=True))
    net.init_weights()
    inserted = loaded(saved(net.state_dict()), context=SE)
    loaded(saved(inserted.state_dict()), context=SE)


def test_random_tensors_that_are_frozen_for_ever_are_named(saved, log):
    state = {key: value for key, value in MODELS.build(NARROW).state_dict().items()
             if key not in ('layer1.1.conv2.weight', 'layer2.0.conv2.weight')}
    path = saved(state)
    loaded(path, dict(strict=False), frozen_stages=1)
    load_checkpoint(MODELS.build(dict(NARROW, frozen_stages=1)), path)
    lines = [line for level, line in log if level == 'WARNING' and 'stay random:' in line]
    assert len(lines) == 2 and all('1 tensors' in line and 'layer1.1.conv2.weight' in line for line in lines)
    log.clear()
    loaded(path, dict(strict=False))
    assert not any('for ever' in line for _, line in log)

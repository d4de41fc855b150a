"""Wide residual networks against a forward written from the paper's table; the rest is PreActResNet's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import as_if_trained
from se_backbones.models.backbones.wide_resnet import WideResNet

THETA = dict(type='GatherExcite', variant='theta')


def build(**kwargs):
    kwargs = dict(dict(depth=(2, 2, 2), base_channels=4, widen_factor=2, input_size=(13, 10)), **kwargs)
    return WideResNet(**kwargs)


@pytest.mark.parametrize(('depth', 'k', 'op', 'millions'), [
    # reference/architectures.md, section 1.8: 10 classes, excitations without bias; the WRN paper prints 11.0 and 36.5.
    (16, 8, None, 10.961), (16, 8, dict(type='SqueezeExcite', bias=False), 11.047), (16, 8, THETA, 11.424),
    (16, 8, dict(THETA, variant='theta_plus', bias=False), 11.510), (28, 10, None, 36.479),
], ids=str)
def test_parameter_count_of_the_published_networks(depth, k, op, millions):
    with torch.device('meta'):
        net = WideResNet(depth, op and dict(op=op), widen_factor=k)
    assert [f.channels for f in net.features] == [16 * k, 32 * k, 64 * k]
    assert round((sum(p.numel() for p in net.parameters()) + 640 * k + 10) / 1e6, 3) == millions


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('k', [1, 3])
@pytest.mark.parametrize('size', [(16, 16), (13, 10)])
def test_network_is_the_papers(k, training, size):
    """Table 1 with the basic unit B(3, 3): norm, ReLU, 3x3, norm, ReLU, 3x3; 1x1 shortcut where the width changes."""
    net = as_if_trained(build(depth=10, widen_factor=k, out_indices=(0, 1, 2)).double().train(training))
    state = {key: value.clone() for key, value in net.state_dict().items()}

    def activated(name, x):
        stats = (state[f'{name}.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias'))
        return F.relu(F.batch_norm(x, *stats, training, 0.1, 1e-5))
    images = torch.randn(3, 3, *size, dtype=torch.float64)
    x, width, maps = F.conv2d(images, state['conv1.weight'], padding=1), 4, []
    for stage in (1, 2, 3):
        unit, stride = f'layer{stage}.0', 1 if stage == 1 else 2
        first = activated(f'{unit}.bn1', x)
        branch = F.conv2d(first, state[f'{unit}.conv1.weight'], stride=stride, padding=1)
        branch = F.conv2d(activated(f'{unit}.bn2', branch), state[f'{unit}.conv2.weight'], padding=1)
        out = 4 * k * 2**(stage - 1)
        x = branch + (x if width == out else F.conv2d(first, state[f'{unit}.downsample.weight'], stride=stride))
        width = out
        maps.append(x)
    maps[-1] = activated('bn', maps[-1])
    for ours, theirs in zip(net(images), maps, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_depth_gives_the_papers_units():
    for depth, units in ((10, 1), (16, 2), (28, 4), (40, 6)):
        with torch.device('meta'):
            net = WideResNet(depth)
        assert [len(getattr(net, f'layer{stage}')) for stage in (1, 2, 3)] == [units] * 3


def test_dropout_is_between_the_convolutions_and_in_training_only():
    unit = build(dropout=0.5).layer1[1].train()
    seen = []
    unit.conv2.register_forward_pre_hook(lambda module, args: seen.append((args[0] == 0).float().mean().item()))
    x = torch.randn(8, 8, 9, 9)
    unit(x)
    unit.eval()(x)
    assert abs(seen[0] - 0.75) < 0.1 and abs(seen[1] - 0.5) < 0.1  # half by the ReLU, half of the rest dropped
    assert isinstance(build().layer1[0].dropout, nn.Identity)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=110), r'depth must be 6n \+ 4 .*or a tuple .*got 110'),
    (dict(depth=4), r'depth must be 6n \+ 4 .*got 4'),
    (dict(widen_factor=0), r'widen_factor must be a number above 0, got 0'),
    (dict(widen_factor=1.5), r'widen_factor must be an int of at least 1, got 1.5'),
    (dict(block='bottleneck'), r"block must be 'basic': wide residual networks have no bottlenecks"),
    (dict(dropout=-1), r'dropout must be at least 0 and below 1, got -1'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)

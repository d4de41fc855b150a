"""Pre-activation ResNets against a forward written from the paper's table, and the contract with the hosts."""

import pytest
import torch
import torch.nn.functional as F

from helpers import Marked, as_if_trained, assert_identical, init_from
from se_backbones.models.backbones.preact_resnet import PreActResNet
from se_backbones.models.placement import PLACEMENTS

SE = dict(type='SqueezeExcite', ratio=4)
THETA = dict(type='GatherExcite', variant='theta')
THETA_PLUS = dict(type='GatherExcite', variant='theta_plus', bias=False)
IMAGES = (3, 3, 13, 10)


def build(**kwargs):
    kwargs = dict(dict(depth=(2, 2, 2), base_channels=4, block='basic', input_size=IMAGES[2:]), **kwargs)
    return PreActResNet(**kwargs)


@pytest.mark.parametrize(('depth', 'op', 'millions'), [
    # The numbers of reference/architectures.md, section 1.8: 10 classes, excitations without bias.
    (110, None, 1.731), (110, dict(type='SqueezeExcite', bias=False), 1.743), (110, THETA, 2.251),
    (110, THETA_PLUS, 2.263),
    (164, None, 1.703), (164, dict(type='SqueezeExcite', bias=False), 1.897), (164, THETA, 3.784),
    (164, THETA_PLUS, 3.977),
], ids=str)
def test_parameter_count_of_the_published_networks(depth, op, millions):
    with torch.device('meta'):
        net = PreActResNet(depth, op and dict(op=op))
    classifier = 10 * (net.feature_info[-1].channels + 1)
    assert round((sum(p.numel() for p in net.parameters()) + classifier) / 1e6, 3) == millions


def layers(net, training):
    """Return ``conv(name, x, stride)`` and ``activated(name, x)`` that read the parameters of a network by name."""
    state = {key: value.clone() for key, value in net.state_dict().items()}

    def conv(name, x, stride=1):
        weight = state[f'{name}.weight']
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def activated(name, x):
        return F.relu(F.batch_norm(x, *(state[f'{name}.{part}'] for part in (
            'running_mean', 'running_var', 'weight', 'bias')), training, 0.1, 1e-5))
    return conv, activated


def published(net, blocks, bottleneck, x, training):
    """The network of "Identity mappings", section 4 and appendix: the outputs of all stages."""
    conv, activated = layers(net, training)
    convs = 3 if bottleneck else 2
    x, maps = conv('conv1', x), []
    for stage, count in enumerate(blocks):
        for block in range(count):
            unit, stride = f'layer{stage + 1}.{block}', 2 if stage and not block else 1
            branch = first = activated(f'{unit}.bn1', x)
            for k in range(1, convs + 1):
                if k > 1:
                    branch = activated(f'{unit}.bn{k}', branch)
                branch = conv(f'{unit}.conv{k}', branch, stride if k == 1 else 1)
            if (stage or bottleneck) and not block:
                shortcut = conv(f'{unit}.downsample', first, stride)
            else:
                shortcut = first if stage == block == 0 else x
            x = branch + shortcut
        maps.append(x)
    return [*maps[:-1], activated('bn', maps[-1])]


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('size', [(16, 16), (13, 10)])
def test_network_is_the_papers(block, training, size):
    net = as_if_trained(build(depth=(2, 1, 2), block=block, out_indices=(0, 1, 2)).double().train(training))
    x = torch.randn(3, 3, *size, dtype=torch.float64)
    expected = published(net, (2, 1, 2), block == 'bottleneck', x, training)
    for ours, theirs in zip(net(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_depth_gives_the_papers_blocks():
    for depth, blocks in ((110, 18), (164, 18), (1001, 111), (11, 1), (8, 1)):
        with torch.device('meta'):
            net = PreActResNet(depth)
        assert [len(getattr(net, f'layer{stage}')) for stage in (1, 2, 3)] == [blocks] * 3
    with torch.device('meta'):
        basic, bottleneck = (PreActResNet(20, block=block) for block in ('basic', 'bottleneck'))
    assert (len(basic.layer1), len(bottleneck.layer1)) == (3, 2)
    assert [f.channels for f in (*basic.feature_info, *bottleneck.feature_info)] == [64, 256]


def unit_by_hand(net, name, x, placement, projects, bottleneck):
    conv, activated = layers(net, training=False)

    def mark(where, t):
        return t + 1000.0 if where == placement else t
    first = activated(f'{name}.bn1', x)
    branch = conv(f'{name}.conv1', mark('pre', first), 2 if projects else 1)
    branch = activated(f'{name}.bn2', branch)
    if bottleneck:
        branch = activated(f'{name}.bn3', conv(f'{name}.conv2', branch))
    branch = conv(f'{name}.conv{3 if bottleneck else 2}', mark('3x3', branch))
    shortcut = conv(f'{name}.downsample', first, 2) if projects else x
    return mark('post', mark('standard', branch) + mark('identity', shortcut))


@pytest.mark.parametrize('projects', [True, False])
@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('placement', PLACEMENTS)
def test_each_placement_is_where_it_says(placement, block, projects):
    net = as_if_trained(build(depth=(1, 2), block=block).double().eval())
    unit, name = (net.layer2[0], 'layer2.0') if projects else (net.layer2[1], 'layer2.1')
    unit.context[placement] = Marked()
    x = torch.randn(1, unit.conv1.in_channels, 7, 5, dtype=torch.float64)
    expected = unit_by_hand(net, name, x, placement, projects, block == 'bottleneck')
    torch.testing.assert_close(unit(x), expected)


def test_insertion_into_several_slots_at_once_is_exact(tmp_path):
    net = as_if_trained(build())
    projections = (False, (True, False), (True, False))
    ours = build(init_cfg=init_from(net, tmp_path), context=[
        dict(op=SE), dict(op=THETA, placement='3x3'), dict(op=SE, placement='pre'),
        dict(op=SE, placement='identity', stages=projections)])
    ours.init_weights()
    assert_identical(net, ours, torch.randn(IMAGES))


@pytest.mark.parametrize(('placement', 'reason'), [('post', 'the gate acts on the sum with the shortcut'),
                                                   ('identity', 'the shortcut of this block has no parameters')])
def test_impossible_insertion_is_refused_with_the_reason(tmp_path, placement, reason):
    with pytest.raises(ValueError, match=reason):
        build(init_cfg=init_from(build(), tmp_path), context=dict(op=SE, placement=placement)).init_weights()


def test_a_convolution_that_standardises_its_weights_is_refused(tmp_path):
    init = init_from(build(conv_cfg=dict(type='ConvWS')), tmp_path)
    with pytest.raises(ValueError, match='layer1.0.conv2 standardises its weights, so that doubling them has no eff'):
        build(conv_cfg=dict(type='ConvWS'), init_cfg=init, context=dict(op=SE)).init_weights()


def test_output_is_in_out_indices_order_and_only_the_last_stage_is_normalised():
    net, everything = build(out_indices=(2, 0)).eval(), build(out_indices=(0, 1, 2)).eval()
    everything.load_state_dict(net.state_dict())
    x = torch.randn(IMAGES)
    maps, out = everything(x), net(x)
    assert torch.equal(out[0], maps[2]) and torch.equal(out[1], maps[0])
    assert out[0].min() >= 0 > out[1].min()
    assert [(f.stage, f.channels, f.stride) for f in net.feature_info] == [(2, 16, 4), (0, 4, 1)]


def test_drop_path_and_dropout_act_in_training_only():
    unit, x = build(drop_path_rate=0.999).layer3[1], torch.randn(32, 16, 3, 3)
    assert (unit(x) == x).flatten(1).all(1).float().mean() > 0.9
    assert not (unit.eval()(x) == x).flatten(1).all(1).any()
    net = build(dropout=0.5)
    x = torch.randn(IMAGES)
    assert not torch.equal(net(x)[0], net(x)[0])
    assert torch.equal(net.eval()(x)[0], net(x)[0])


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=100, block=None), r"depth must be 6n \+ 2 \(block='basic'\) or 9n \+ 2 \(block='bottleneck'\), or a "
                                  r'tuple .*got 100'),
    (dict(depth=11, block='basic'), r"depth must be 6n \+ 2 \(block='basic'\), or a tuple .*got 11"),
    (dict(depth=2), r'depth must be'),
    (dict(depth='110'), r"depth must be .*got '110'"),
    (dict(depth=56, block=None), r"depth=56 has both forms: 9 basic blocks per stage with block='basic', 6 bottlenecks "
                                 r"with block='bottleneck'; set block"),
    (dict(block='wide'), r"block must be one of 'basic', 'bottleneck', got 'wide'"),
    (dict(depth=()), r'depth must have at least one stage'),
    (dict(depth=(1, 0)), r'depth\[...\] must be an int of at least 1, got 0'),
    (dict(base_channels=0), r'base_channels must be an int of at least 1'),
    (dict(dropout=1.0), r'dropout must be at least 0 and below 1, got 1.0'),
    (dict(drop_path_rate=-0.1), r'drop_path_rate must be at least 0 and below 1, got -0.1'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)

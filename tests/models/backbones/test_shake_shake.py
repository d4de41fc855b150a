"""Shake-Shake networks against a forward written from the paper and the official code's table."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import Marked, as_if_trained, assert_identical, init_from
from se_backbones.models.backbones import shake_shake
from se_backbones.models.backbones.shake_shake import ShakeMix, ShakeShake, ShiftedProjection, coefficients
from se_backbones.models.placement import PLACEMENTS

SE = dict(type='SqueezeExcite', ratio=4)
THETA = dict(type='GatherExcite', variant='theta')
IMAGES = (3, 3, 13, 10)
NARROW = {'basic': dict(base_width=6, stem_channels=4),
          'bottleneck': dict(base_width=2, groups=2, base_channels=3, stem_channels=5)}


def build(block='basic', **kwargs):
    kwargs = {**dict(depth=(1, 2), block=block, input_size=IMAGES[2:]), **NARROW.get(block, {}), **kwargs}
    return ShakeShake(**kwargs)


@pytest.mark.parametrize(('depth', 'classes', 'context', 'expected'), [
    (26, 10, None, 26_192_922),  # the paper's Table 3: 26.2 M
    (29, 100, None, 34_529_700),  # 34.4 M with 10 classes, as ResNeXt-29 8x64d, whose widths it has
    (26, 10, dict(op=dict(type='SqueezeExcite')), 26_292_546),
], ids=str)
def test_parameter_count_of_the_published_networks(depth, classes, context, expected):
    with torch.device('meta'):
        net = ShakeShake(depth, context)
    classifier = classes * (net.feature_info[-1].channels + 1)
    assert sum(p.numel() for p in net.parameters()) + classifier == expected


def test_depths_are_the_papers_networks():
    with torch.device('meta'):
        basic, bottleneck = ShakeShake(26), ShakeShake(29)
    assert [len(getattr(basic, f'layer{stage}')) for stage in (1, 2, 3)] == [4, 4, 4]
    assert [len(getattr(bottleneck, f'layer{stage}')) for stage in (1, 2, 3)] == [3, 3, 3]
    assert [f.channels for f in basic.features] == [96, 192, 384]
    assert [f.channels for f in bottleneck.features] == [256, 512, 1024]
    assert [f.stride for f in basic.features] == [1, 2, 4]
    conv = bottleneck.layer1[0].branch1.conv2
    assert (conv.in_channels, conv.groups) == (256, 4)


@pytest.fixture
def drawn(monkeypatch):
    """Replace the random coefficients by numbers of a list, in the order in which they are drawn."""
    numbers = []

    def draw(kinds, level, like):
        values = [torch.full((like.shape[0], 1, 1, 1), 0.5, dtype=like.dtype) for _ in kinds]
        values = [torch.rand_like(value) if kind == 'shake' else value
                  for kind, value in zip(kinds, values, strict=True)]
        numbers.extend(values)
        return values
    monkeypatch.setattr(shake_shake, 'coefficients', draw)
    return numbers


def published(net, depth, block, x, training, alphas):
    """Paper, section 2; official models/shakeshake.lua, shakeshakeblock.lua: the outputs of all stages."""
    state = {key: value.clone() for key, value in net.state_dict().items()}
    basic = block == 'basic'

    def norm(name, x):
        stats = (state[f'{name}.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias'))
        return F.batch_norm(x, *stats, training, 0.1, 1e-5)

    def conv(name, x, stride=1, groups=1):
        weight = state[f'{name}.weight']
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)

    def branch(name, x, stride):
        if basic:
            x = F.relu(norm(f'{name}.bn1', conv(f'{name}.conv1', F.relu(x), stride)))
            return norm(f'{name}.bn2', conv(f'{name}.conv2', x))
        x = F.relu(norm(f'{name}.bn1', conv(f'{name}.conv1', x)))
        x = F.relu(norm(f'{name}.bn2', conv(f'{name}.conv2', x, stride, groups=2)))
        return norm(f'{name}.bn3', conv(f'{name}.conv3', x))

    def skip(name, x, stride):
        if not basic:
            return norm(f'{name}.1', conv(f'{name}.0', x, stride))
        x = F.relu(x)
        moved = torch.zeros_like(x)
        moved[:, :, 1:, 1:] = x[:, :, :-1, :-1]  # "shift the tensor by one pixel right and one pixel down"
        paths = [conv(f'{name}.conv{k}', F.avg_pool2d(t, 1, stride)) for k, t in ((1, x), (2, moved))]
        return norm(f'{name}.bn', torch.cat(paths, 1))
    x, alphas, maps = norm('bn1', conv('conv1', x)), iter(alphas), []
    if not basic:
        x = F.relu(x)
    for stage, count in enumerate(depth):
        for number in range(count):
            unit, stride = f'layer{stage + 1}.{number}', 2 if stage and not number else 1
            a, b = (branch(f'{unit}.branch{k}', x, stride) for k in (1, 2))
            alpha = next(alphas) if training else 0.5
            x = alpha * a + (1 - alpha) * b + (x if number else skip(f'{unit}.downsample', x, stride))
            x = x if basic else F.relu(x)
        maps.append(x)
    return [*maps[:-1], F.relu(maps[-1])]


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('size', [(16, 16), (13, 10)])
def test_network_is_the_papers(drawn, block, training, size):
    net = as_if_trained(build(block, depth=(2, 1, 2), out_indices=(0, 1, 2)).double().train(training))
    x = torch.randn(3, 3, *size, dtype=torch.float64)
    ours = net(x)
    expected = published(net, (2, 1, 2), block, x, training, drawn[::2])  # forward coefficients are drawn first
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_gradient_is_mixed_with_its_own_coefficients():
    a, b = (torch.randn(4, 2, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    alpha, beta = (torch.rand(4, 1, 1, 1, dtype=torch.float64) for _ in range(2))
    out, grad = ShakeMix.apply(a, b, alpha, beta), torch.randn(4, 2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(out, alpha * a + (1 - alpha) * b)
    out.backward(grad)
    torch.testing.assert_close(a.grad, beta * grad)
    torch.testing.assert_close(b.grad, (1 - beta) * grad)


def test_with_equal_coefficients_the_gradient_is_the_functions():
    a, b = (torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    alpha = torch.rand(2, 1, 1, 1, dtype=torch.float64)
    torch.autograd.gradcheck(lambda a, b: ShakeMix.apply(a, b, alpha, alpha), (a, b))


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(('forward', 'backward'), [('shake', 'even'), ('even', 'shake'), ('shake', 'shake'),
                                                   ('even', 'even')])
def test_each_pass_shakes_or_not(forward, backward, training):
    unit = build(forward_shake=forward, backward_shake=backward).layer2[1].train(training)
    x = torch.zeros(6, 12, 4, 4, dtype=torch.float64)
    a, b = (x.clone().requires_grad_() for _ in range(2))
    del unit.branch1, unit.branch2
    unit.branch1, unit.branch2 = (lambda x: a + 1), (lambda x: b + 0)
    alpha = unit.branch(x)[:, 0, 0, 0]
    unit.branch(x).sum().backward()
    beta = a.grad[:, 0, 0, 0]
    assert (alpha.unique().numel() == 6) == (forward == 'shake' and training)
    assert (beta.unique().numel() == 6) == (backward == 'shake' and training)
    assert all((kind == 'shake' and training) or (values == 0.5).all()
               for kind, values in ((forward, alpha), (backward, beta)))
    torch.testing.assert_close(a.grad + b.grad, torch.ones_like(x))


def test_backward_coefficients_are_independent_of_the_forward_ones(drawn):
    unit = build().double().train().layer2[1]
    x, grads = torch.randn(3, 12, 4, 4, dtype=torch.float64), []
    for branch in (unit.branch1, unit.branch2):
        branch.register_full_backward_hook(lambda module, into, out: grads.append(out[0]))
    unit(x.requires_grad_()).sum().backward()
    alpha, beta = drawn
    assert not torch.equal(alpha, beta)
    found = sorted(g[0, 0, 0, 0].item() for g in grads)
    assert found == sorted((beta[0].item(), 1 - beta[0].item()))


def test_coefficients_are_per_image_or_per_batch():
    like = torch.empty(64, 2, 3, 3, dtype=torch.float64)
    image, others = coefficients(('shake', 'shake'), 'image', like)
    batch, half = coefficients(('shake', 'even'), 'batch', like)
    assert (image.shape, batch.shape, image.dtype) == ((64, 1, 1, 1), (1, 1, 1, 1), torch.float64)
    assert 0 <= image.min() < 0.1 and 0.9 < image.max() < 1 and not torch.equal(image, others)
    assert (half == 0.5).all()


def test_shifted_projection_sees_different_pixels():
    layer = ShiftedProjection(1, 2, 2, None, dict(type='BN')).eval()
    nn.init.ones_(layer.conv1.weight)
    nn.init.ones_(layer.conv2.weight)
    x = torch.arange(1., 26).view(1, 1, 5, 5)
    out = layer(x) * (1 + layer.norm.eps)**0.5
    torch.testing.assert_close(out[0, 0], x[0, 0, ::2, ::2])
    torch.testing.assert_close(out[0, 1], torch.tensor([[0., 0, 0], [0, 7, 9], [0, 17, 19]]))


@pytest.mark.parametrize('projects', [True, False])
@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('placement', PLACEMENTS)
def test_each_placement_is_where_it_says(placement, block, projects):
    unit = as_if_trained(build(block).double()).layer2[0 if projects else 1].eval()
    for owner in (unit.branch1, unit.branch2) if placement == '3x3' else (unit,):
        owner.context[placement] = Marked()
    x = torch.randn(1, unit.branch1.conv1.in_channels, 5, 4, dtype=torch.float64)

    def mark(where, t):
        return t + 1000.0 if where == placement else t

    def branch(layers):
        t = F.relu(layers.bn1(layers.conv1(mark('pre', start))))
        if block == 'bottleneck':
            t = mark('3x3', F.relu(layers.bn2(layers.conv2(t))))
            return layers.bn3(layers.conv3(t))
        return layers.bn2(layers.conv2(mark('3x3', t)))
    start = F.relu(x) if block == 'basic' else x
    shortcut = unit.downsample(start) if projects else x
    out = mark('standard', 0.5 * branch(unit.branch1) + 0.5 * branch(unit.branch2)) + mark('identity', shortcut)
    torch.testing.assert_close(unit(x), mark('post', out if block == 'basic' else F.relu(out)))


def operators(net):
    return sorted(name for name, _ in net.named_modules() if name.split('.')[-2:-1] == ['context'])


def test_standard_is_on_the_mix_or_on_each_branch():
    context = dict(op=SE, stages=(True, False))
    assert operators(build(context=context)) == ['layer1.0.context.standard']
    assert operators(build(context=context, context_per_branch=True)) == [
        'layer1.0.branch1.context.standard', 'layer1.0.branch2.context.standard']
    net = build(context=dict(op=THETA), context_per_branch=True)
    net(torch.randn(IMAGES))[0].square().sum().backward()
    assert all(p.grad.any() and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('kwargs', [
    dict(context=dict(op=THETA), context_per_branch=True),
    dict(context=dict(op=SE, placement='identity', stages=(True, (True, False)))),  # where it is a projection
], ids=['each branch', 'identity'])
def test_insertion_is_exact_here_too(tmp_path, kwargs, block):
    net = as_if_trained(build(block))
    ours = build(block, init_cfg=init_from(net, tmp_path), **kwargs)
    ours.init_weights()
    assert_identical(net, ours, torch.randn(IMAGES))


@pytest.mark.parametrize(('placement', 'reason'), [('post', 'the gate acts on the sum with the shortcut'),
                                                   ('identity', 'the shortcut of this block has no parameters')])
def test_impossible_insertion_is_refused_with_the_reason(tmp_path, placement, reason):
    with pytest.raises(ValueError, match=reason):
        build(init_cfg=init_from(build(), tmp_path), context=dict(op=SE, placement=placement)).init_weights()


def test_frozen_stages_stop_the_host_but_not_the_gates():
    net = build(frozen_stages=1, context=[dict(op=THETA), dict(op=THETA, placement='3x3')]).train()
    for name, p in net.named_parameters():
        assert p.requires_grad is not (name.startswith(('conv1', 'bn1', 'layer1')) and 'context' not in name), name
    assert not net.bn1.training and not net.layer1[0].branch1.bn1.training
    assert net.layer1[0].branch1.context['3x3'].gather.bn1.training and net.layer2[0].branch1.bn1.training


def test_drop_path_drops_the_mix_in_training_only():
    unit, x = build(drop_path_rate=0.999).layer2[1], torch.randn(32, 12, 3, 3)
    assert (unit(x) == x).flatten(1).all(1).float().mean() > 0.9
    assert not (unit.eval()(x) == x).flatten(1).all(1).any()


def test_output_is_in_out_indices_order_and_only_the_last_of_basic_blocks_is_activated():
    net = build(out_indices=(1, 0)).eval()
    last, first = net(torch.randn(IMAGES))
    assert last.min() == 0 > first.min()
    assert [(f.stage, f.channels, f.stride) for f in net.feature_info] == [(1, 12, 2), (0, 6, 1)]


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=27, block=None), r"depth must be 6n \+ 2 \(block='basic'\) or 9n \+ 2 \(block='bottleneck'\).*got 27"),
    (dict(depth=20, block=None), r'depth=20 has both forms: 3 basic .* 2 bottlenecks .*set block'),
    (dict(forward_shake='keep'), r"forward_shake must be one of 'shake', 'even', got 'keep'"),
    (dict(backward_shake=True), r"backward_shake must be one of 'shake', 'even', got True"),
    (dict(shake_level='pixel'), r"shake_level must be one of 'image', 'batch', got 'pixel'"),
    (dict(forward_shake='even', backward_shake='even', shake_level='batch'),
     r"shake_level='batch' has no effect with forward_shake='even' and backward_shake='even'"),
    (dict(groups=4), r'groups=4 is for bottlenecks; the basic blocks of depth=\(1, 2\) have only a base_width'),
    (dict(base_channels=64), r'base_channels=64 is for bottlenecks'),
    (dict(block='bottleneck', groups=0), r'groups must be an int of at least 1, got 0'),
    (dict(base_width='96d'), r"base_width must be an int of at least 1, got '96d'"),
    (dict(context_per_branch=True), r"context_per_branch=True has no effect without a context of placement='standard'"),
    (dict(context_per_branch=1), r'context_per_branch must be one of True, False, got 1'),
    (dict(drop_path_rate=1), r'drop_path_rate must be at least 0 and below 1, got 1'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)

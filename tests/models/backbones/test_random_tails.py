"""Random residual networks in float64 compute, learn and count the same whichever way their units end."""

import random

import pytest
import torch
from mmengine.registry import MODELS

from helpers import as_if_trained
from se_backbones.models import residual_tail
from se_backbones.models.units import ResidualUnit

EXTENTS = (2, 4, 8, 'global')


def operator(draw):
    if draw.random() < 0.4:
        return dict(type='SqueezeExcite', ratio=draw.choice((2, 4)), bias=draw.random() < 0.5,
                    squeeze=draw.choice(('avg', 'avg', 'avg', 'max', 'none')),
                    gate=draw.choice(('sigmoid', 'sigmoid', 'tanh', 'relu')))
    variant = draw.choice(('theta_minus', 'theta', 'theta_plus'))
    return dict(type='GatherExcite', variant=variant, extent=draw.choice(EXTENTS),
                **(dict(ratio=2) if variant == 'theta_plus' else {}))


def network(draw, size):
    kind = draw.choice(('ResNet', 'ResNet', 'ResNet', 'ResNeXt', 'SENet', 'PreActResNet', 'ShuffleNetV1', 'ShakeShake'))
    cfg = dict(type=f'se_backbones.{kind}', norm_eval=draw.random() < 0.4, with_cp=draw.random() < 0.2, input_size=size)
    if kind == 'ShuffleNetV1':
        cfg.update(depth=(1, 2, 1), widen_factor=0.25, groups=2)
    elif kind == 'ShakeShake':  # its branches are mixed at random
        cfg.update(depth=(1, 1, 1), block='basic', base_width=4, forward_shake='even', backward_shake='even')
    else:
        cfg.update(depth=(draw.choice((1, 2)), 1), base_channels=4)
        if kind in ('ResNet', 'PreActResNet'):
            cfg['block'] = draw.choice(('basic', 'bottleneck'))
        if kind == 'ResNet':
            cfg.update(style=draw.choice(('pytorch', 'caffe', 'aa')), avg_down=draw.random() < 0.3,
                       frozen_stages=draw.choice((-1, -1, 0, 1)), norm_cfg=draw.choice((
                           dict(type='BN'), dict(type='BN', eps=0.1), dict(type='BN', momentum=None),
                           dict(type='BN', affine=False), dict(type='GN', num_groups=2))))
        elif kind in ('ResNeXt', 'SENet'):
            cfg.update(groups=2, base_width=2)
    placement = draw.choice(('standard',) * 6 + ('pre', 'post'))
    cfg['context'] = [dict(op=operator(draw), placement='standard')]
    if placement != 'standard':
        cfg['context'].append(dict(op=operator(draw), placement=placement))
    return cfg


def build(cfg, tail, monkeypatch):
    monkeypatch.setenv('SE_BACKBONES_TAIL', tail)
    torch.manual_seed(1)
    return as_if_trained(MODELS.build(cfg), 0.3).double()


def run(net, x, training):
    """Return outputs, gradients and buffers by name."""
    torch.manual_seed(2)
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
    outputs = net.train(training)(leaf)
    sum((out * torch.randn_like(out)).sum() for out in outputs).backward()
    found = {f'output {index}': out.detach() for index, out in enumerate(outputs)} | dict(net.named_buffers())
    found |= {f'd {name}': value.grad for name, value in net.named_parameters() if value.grad is not None}
    with torch.no_grad():
        found |= {f'inference {index}': out for index, out in enumerate(net.eval()(x))}
    return found | {'d images': leaf.grad}


def compare(seed, monkeypatch):
    """Return how many calls were fused."""
    draw, calls, fused_sum = random.Random(seed), [], residual_tail.gated_sum
    size = draw.randint(33, 70), draw.randint(33, 70)
    cfg = network(draw, size)
    layout = draw.choice((torch.contiguous_format, torch.channels_last))
    x = torch.randn(draw.choice((2, 3)), 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x, training = x.contiguous(memory_format=layout), draw.random() < 0.7
    monkeypatch.setattr(residual_tail, 'gated_sum', lambda *args, **kw: calls.append(1) or fused_sum(*args, **kw))
    plain, chosen = (run(build(cfg, tail, monkeypatch).to(memory_format=layout), x, training)
                     for tail in ('plain', 'fused'))
    monkeypatch.setattr(residual_tail, 'gated_sum', fused_sum)
    assert plain.keys() == chosen.keys()
    for name, wanted in plain.items():
        size = max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(chosen[name].double(), wanted.double(), rtol=1e-7, atol=1e-8 * size,
                                   msg=lambda text, name=name: f'seed {seed}, {cfg}, {name}: {text}')
    units = sum(isinstance(module, ResidualUnit) for module in build(cfg, 'fused', monkeypatch).modules())
    return len(calls) / units


def test_random_networks(monkeypatch):
    assert sum(compare(seed, monkeypatch) > 0 for seed in range(20)) >= 10


@pytest.mark.slow
def test_many_random_networks(monkeypatch):
    assert sum(compare(seed, monkeypatch) > 0 for seed in range(20, 320)) >= 150

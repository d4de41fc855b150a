"""Networks whose tails Triton's kernels compute, against the same networks as written, in float64.

On a machine with a GPU these are tests of the device (``make gpu``). Elsewhere the smallest of them run under Triton's
interpreter, which tries the kernels inside of networks, and the tests themselves.
"""

import copy
from importlib.util import find_spec
from itertools import product

import pytest
import torch
from mmengine.registry import MODELS

from helpers import as_if_trained
from se_backbones.models import residual_tail

pytestmark = [pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed'),
              pytest.mark.usefixtures('triton_loops')]

HAS_GPU = torch.cuda.is_available()
OPS = {
    'se': dict(type='SqueezeExcite', ratio=2),
    'theta-minus': dict(type='GatherExcite'),
    'theta-minus-e8': dict(type='GatherExcite', extent=8),
    'theta': dict(type='GatherExcite', variant='theta'),
    'theta-e2': dict(type='GatherExcite', variant='theta', extent=2),
    'theta-e8': dict(type='GatherExcite', variant='theta', extent=8),
    'theta-plus-e4': dict(type='GatherExcite', variant='theta_plus', extent=4, ratio=2),
}
LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
# Precision of parameters and images, and what autocast makes of it.
PRECISIONS = {'fp32': (torch.float32, None), 'fp16': (torch.float16, None), 'bf16': (torch.bfloat16, None),
              'amp-fp16': (torch.float32, torch.float16), 'amp-bf16': (torch.float32, torch.bfloat16)}
INTERPRETED = [('se', 'fp32'), ('theta-e2', 'amp-bf16'), ('theta-minus', 'fp32')]
on_gpu = pytest.mark.gpu


def cases():
    """Every operator in every precision on the GPU, in turn in two of the four ways to run it."""
    ways = list(product((False, True), LAYOUTS))
    for number, (op, precision) in enumerate(product(OPS, PRECISIONS)):
        for frozen, layout in (ways[number % 4], ways[(number + 3) % 4]):
            case = op, precision, frozen, layout
            name = '-'.join((op, precision, 'frozen' if frozen else 'training', layout))
            yield pytest.param('cuda', *case, marks=on_gpu, id=f'cuda-{name}')
            if (op, precision) in INTERPRETED and not HAS_GPU:
                yield pytest.param('cpu', *case, id=f'interpreted-{name}')


@pytest.fixture
def units(monkeypatch):
    """The number of units that Triton has served, in a list of one; on a CPU it serves them all."""
    from se_backbones.ops.residual_tail import triton
    served, gated_sum = [0], residual_tail.gated_sum

    def counted(code, *args, **kwargs):
        served[0] += code is triton
        return gated_sum(code, *args, **kwargs)
    monkeypatch.setattr(residual_tail, 'gated_sum', counted)
    if not HAS_GPU:
        monkeypatch.setattr(residual_tail, 'code_for', lambda asked, x: triton if asked == 'fused' else None)
    return served


def build(device, op='se', frozen=False, **options):
    """Return a network as after some training."""
    size = 64 if device.startswith('cuda') else 16
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=16 if size == 64 else 2,
                            out_indices=(0, 1), input_size=size, context=dict(op=OPS[op], tail='fused'), **options))
    as_if_trained(net, 0.3).to(device).train(not frozen)
    return net, torch.randn(4, 3, size, size, device=device)


def as_written(net):
    net = copy.deepcopy(net)
    for module in net.modules():
        if hasattr(module, 'tail'):
            module.tail = 'plain'
    return net


def results(net, images, autocast=None):
    """Return outputs, running statistics and gradients by name, in float64 on the CPU."""
    with torch.autocast(images.device.type, autocast, enabled=autocast is not None):
        outs = net(images)
    weights = torch.Generator().manual_seed(0)
    loss = sum((out.double() * torch.randn(out.shape, generator=weights).to(out.device)).sum() for out in outs)
    net.zero_grad()
    loss.backward()
    named = {f'out {number}': out for number, out in enumerate(outs)}
    named |= {name: buffer for name, buffer in net.named_buffers() if buffer.is_floating_point()}
    named |= {f'd{name}': parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None}
    return {name: value.detach().cpu().double() for name, value in named.items()}


def distance(a, b):
    return float((a - b).norm() / b.norm().clamp_min(1e-6))


@pytest.mark.parametrize(('device', 'op', 'precision', 'frozen', 'layout'), list(cases()))
def test_a_fused_network_is_as_accurate_as_it_is_as_written(units, device, op, precision, frozen, layout):
    dtype, autocast = PRECISIONS[precision]
    net, images = build(device, op, frozen)
    net.to(dtype, memory_format=LAYOUTS[layout])
    images = images.to(dtype, memory_format=LAYOUTS[layout])
    exact = results(as_written(net).double(), images.double())
    plain = results(as_written(net), images, autocast)
    assert units[0] == 0
    fused = results(net, images, autocast)
    assert units[0] == 3
    assert fused.keys() == plain.keys() == exact.keys()
    for name, wanted in exact.items():
        error, allowed = distance(fused[name], wanted), distance(plain[name], wanted)
        # Two errors of one order: over eight seeds the largest was three times the other.
        assert error <= 4 * allowed + 128 * torch.finfo(autocast or dtype).eps, (name, error, allowed)


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=on_gpu)])
def test_inference_is_as_accurate_too(units, device):
    if device == 'cpu' and HAS_GPU:
        pytest.skip('kernels are compiled for the GPU')
    net, images = build(device, frozen=True)
    with torch.no_grad():
        for fused, plain in zip(net(images), as_written(net)(images), strict=True):
            torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-3)
    assert units[0] == 3


@on_gpu
def test_random_numbers_on_the_gpu_are_not_drawn(units):
    from se_backbones.ops import residual_tail as ops
    ops._triton.cache_clear()  # the trial launch is looked at too
    net, images = build('cuda')
    before = torch.cuda.get_rng_state()
    results(net, images)
    assert units[0] == 3
    assert torch.equal(torch.cuda.get_rng_state(), before)


@on_gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two GPUs')
def test_a_network_runs_on_the_second_gpu_while_the_first_is_current(units):
    net, images = build('cuda:0')
    first = results(copy.deepcopy(net), images)
    with torch.cuda.device(0):
        second = results(net.to('cuda:1'), images.to('cuda:1'))
        assert torch.cuda.current_device() == 0
    assert units[0] == 6
    for name, wanted in first.items():
        torch.testing.assert_close(second[name], wanted, rtol=1e-3, atol=1e-3)

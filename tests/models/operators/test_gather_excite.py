"""GatherExcite against the GE paper's section 3 written as loops and plain functional calls."""

import math

import pytest
import torch
import torch.nn.functional as F

from se_backbones.models.operators import GatherExcite, SqueezeExcite
from se_backbones.models.operators.gather import _log_running_statistics

SIZES = [(16, 16), (7, 7), (13, 9), (1, 1), (1, 6), (25, 3)]
SMALL = dict(map_size=(6, 5))
SETTINGS = [
    *(dict(variant='theta_minus', extent=e) for e in (2, 4, 8, 'global')),
    *(dict(variant=v, extent=e) for v in ('theta', 'theta_plus') for e in (2, 4, 8)),
    *(dict(variant=v, extent='global', **SMALL) for v in ('theta', 'theta_plus')),
]


def ids(setting):
    return f'{setting["variant"]}-{setting["extent"]}'


def pooled_by_loops(x, e):
    """Mean over the (2e - 1) x (2e - 1) window around every e-th cell, cells outside the map left out."""
    n, c, height, width = x.shape
    out = torch.empty(n, c, math.ceil(height / e), math.ceil(width / e), dtype=x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            rows = slice(max(0, i * e - e + 1), min(height, i * e + e))
            columns = slice(max(0, j * e - e + 1), min(width, j * e + e))
            out[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return out


def gated_by_loops(x, gate):
    out = torch.empty_like(x)
    height, width = x.shape[2:]
    for i in range(height):
        for j in range(width):
            out[:, :, i, j] = x[:, :, i, j] * gate[:, :, i * gate.shape[2] // height, j * gate.shape[3] // width]
    return out


def gathered_functionally(operator, x, last_relu=False):
    """Section 3.2 with torch.nn.functional: depth-wise convolutions, norms, ReLU between (theta-plus: and after)."""
    gather, state = operator.gather, dict(operator.gather.named_parameters())
    steps = sum(name.startswith('conv') for name in state)
    for k in range(1, steps + 1):
        weight = state[f'conv{k}.weight']
        local = weight.shape[-1] == 3 and operator.extent != 'global'
        x = F.conv2d(x, weight, stride=2 if local else 1, padding=1 if local else 0, groups=weight.shape[0])
        norm = getattr(gather, f'bn{k}')
        if operator.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        else:
            mean, var = norm.running_mean, norm.running_var
        x = (x - mean[:, None, None]) / torch.sqrt(var + 1e-5)[:, None, None]
        x = x * norm.weight[:, None, None] + norm.bias[:, None, None]
        if k < steps or last_relu:
            x = x.clamp(min=0)
    return x


@pytest.mark.parametrize('extent', [2, 4, 8])
def test_theta_minus_equals_the_loops(extent):
    operator = GatherExcite(3, variant='theta_minus', extent=extent)
    for size in SIZES:
        x = torch.randn(2, 3, *size, dtype=torch.float64)
        expected = gated_by_loops(x, torch.sigmoid(pooled_by_loops(x, extent)))
        torch.testing.assert_close(operator(x), expected)


def test_global_theta_minus_is_the_sigmoid_of_the_mean():
    x = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(GatherExcite(3)(x), x * torch.sigmoid(x.mean((2, 3), keepdim=True)))


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('extent', [2, 4, 8])
def test_local_theta_equals_functional_code(extent, training):
    operator = GatherExcite(4, variant='theta', extent=extent).double().train(training)
    for size in ((16, 16), (7, 7), (13, 9)):
        x = torch.randn(3, 4, *size, dtype=torch.float64)
        gate = torch.sigmoid(gathered_functionally(operator, x))
        assert gate.shape[2:] == (math.ceil(size[0] / extent), math.ceil(size[1] / extent))
        torch.testing.assert_close(operator(x), gated_by_loops(x, gate))


@pytest.mark.parametrize('relu', [None, True, False])
@pytest.mark.parametrize('extent', [2, 'global'])
def test_theta_plus_adds_a_relu_unless_it_is_taken_away_and_the_excitation(extent, relu):
    size = dict(map_size=(6, 6)) if extent == 'global' else {}
    operator = GatherExcite(32, variant='theta_plus', extent=extent, relu=relu, **size).double()
    x = torch.randn(2, 32, 6, 6, dtype=torch.float64)
    gathered = gathered_functionally(operator, x, last_relu=relu is not False)
    down, up = operator.excite.down, operator.excite.up
    hidden = F.conv2d(gathered, down.weight, down.bias).clamp(min=0)
    gate = torch.sigmoid(F.conv2d(hidden, up.weight, up.bias))
    torch.testing.assert_close(operator(x), gated_by_loops(x, gate))


def test_global_theta_is_a_dot_product_with_the_whole_map():
    operator = GatherExcite(4, variant='theta', map_size=(6, 5)).double().eval()
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    dots = torch.einsum('nchw,chw->nc', x, operator.gather.conv1.weight[:, 0]) / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(operator.gate(x), torch.sigmoid(dots)[:, :, None, None])


def test_theta_plus_with_averaging_weights_equals_squeeze_excite():
    """Section 3.2: SE is the special case of a gather that averages (of non-negative input, for the ReLU)."""
    plus = GatherExcite(16, variant='theta_plus', map_size=4).eval()
    se = SqueezeExcite(16)
    se.excite.load_state_dict(plus.excite.state_dict())
    torch.nn.init.constant_(plus.gather.conv1.weight, 1 / 16 * math.sqrt(1 + 1e-5))
    x = torch.rand(2, 16, 4, 4)
    torch.testing.assert_close(plus(x), se(x))


@pytest.mark.parametrize(('extent', 'taps'), [(8, 9), ('global', 49)])
def test_weights_begin_as_in_the_released_prototxts(extent, taps):
    """RN50-GEPP.prototxt: depth-wise layers "msra", the excitation Gaussian of 0.01; biases 0, scales 1."""
    operator = GatherExcite(4096, variant='theta_plus', extent=extent, ratio=16,
                            map_size=(7, 7) if extent == 'global' else None)
    gather, excite = operator.gather, operator.excite
    assert gather.conv1.weight.std().item() == pytest.approx(math.sqrt(2 / taps), rel=0.03)
    assert (gather.bn1.weight == 1).all() and not gather.bn1.bias.any()
    for layer in (excite.down, excite.up):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.03) and not layer.bias.any()


@pytest.mark.parametrize(('setting', 'inputs'), [
    (dict(extent=8), {'conv1': 9, 'conv2': 9, 'conv3': 9}),
    (dict(map_size=(14, 14), halved=True), {'conv1': 9 * 1024, 'conv2': 49})], ids=['three', 'halved'])
def test_each_convolution_of_a_gather_begins_by_its_own_inputs(setting, inputs):
    gather = GatherExcite(1024, variant='theta', **setting).gather
    for name, count in inputs.items():
        assert getattr(gather, name).weight.std().item() == pytest.approx(math.sqrt(2 / count), rel=0.03), name
        norm = getattr(gather, name.replace('conv', 'bn'))
        assert (norm.weight == 1).all() and not norm.bias.any()


def test_theta_minus_has_no_parameters():
    assert not list(GatherExcite(8, extent=8).parameters())


@pytest.mark.parametrize(('extent', 'convs'), [(2, 1), (4, 2), (8, 3)])
def test_theta_has_log2_of_the_extent_convolutions_and_norms(extent, convs):
    operator = GatherExcite(8, variant='theta', extent=extent)
    assert sum(p.numel() for p in operator.parameters()) == convs * (8 * 9 + 8 + 8)


@pytest.mark.parametrize('setting', SETTINGS, ids=ids)
def test_gradients(setting):
    operator = GatherExcite(2, **setting).double()
    names = [name for name, _ in operator.named_parameters()]
    # Away from the kinks of the ReLUs, which a random start may hit.
    values = [torch.randn_like(p) for p in operator.parameters()]
    x = torch.randn(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)

    def run(x, *values):
        return torch.func.functional_call(operator, dict(zip(names, values)), (x,))
    assert torch.autograd.gradcheck(run, (x, *(v.requires_grad_() for v in values)))


@pytest.mark.parametrize('setting', SETTINGS, ids=ids)
def test_empty_batch_passes_through_and_leaves_statistics_alone(setting):
    operator = GatherExcite(4, **setting)
    before = {k: v.clone() for k, v in operator.state_dict().items()}
    out = operator(torch.empty(0, 4, 6, 5, requires_grad=True))
    out.sum().backward()
    assert out.shape == (0, 4, 6, 5)
    assert all(torch.equal(before[k], v) for k, v in operator.state_dict().items())


@pytest.mark.parametrize('setting', SETTINGS, ids=ids)
def test_channels_last_gives_the_same_numbers_and_keeps_its_format(setting):
    operator = GatherExcite(8, **setting).eval()
    x = torch.randn(2, 8, 6, 5)
    out = operator(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(out, operator(x))
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('setting', SETTINGS, ids=ids)
def test_autocast_stays_within_the_dtype_of_the_exact_result(setting):
    operator = GatherExcite(8, **setting).eval()
    x = torch.randn(2, 8, 6, 5)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast('cpu', dtype):
            out = operator(x)
        # A gate is at most 1 with slope 1/4: its error is a few roundings of the gathered value.
        assert (out.float() - operator(x)).abs().max() < 16 * torch.finfo(dtype).eps * x.abs().max()


def test_one_value_per_channel_uses_running_statistics_and_is_said_once(log):
    operator = GatherExcite(4, variant='theta', extent=8)
    torch.nn.init.normal_(operator.gather.bn3.running_mean)
    before = operator.gather.bn3.running_mean.clone()
    _log_running_statistics.cache_clear()
    x = torch.randn(1, 4, 7, 7)
    training = operator(x), operator(x)
    assert torch.equal(operator.gather.bn3.running_mean, before)
    assert torch.isfinite(training[0]).all()
    assert sum('one value per channel' in line for _, line in log) == 1


def test_norms_are_of_the_kind_that_norm_cfg_names():
    operator = GatherExcite(8, variant='theta', extent=4, norm_cfg=dict(type='GN', num_groups=2))
    assert isinstance(operator.gather.gn2, torch.nn.GroupNorm)


def test_another_map_size_names_both_and_points_to_extent_8():
    operator = GatherExcite(4, variant='theta', map_size=7)
    with pytest.raises(ValueError, match=r'maps of 7x7, but got a map of 8x10.*extent=8'):
        operator(torch.randn(1, 4, 8, 10))


@pytest.mark.parametrize(('options', 'message'), [
    (dict(variant='theta+'), r"variant must be one of 'theta_minus', 'theta', 'theta_plus', got 'theta\+'"),
    (dict(extent=3), r"extent must be one of 2, 4, 8, 'global', got 3"),
    (dict(extent=0), r'extent must be one of'),
    (dict(variant='theta'), r'needs map_size.*extent=8'),
    (dict(variant='theta', extent=8, ratio=16), r'ratio=16 has no effect'),
    (dict(variant='theta', extent=8, map_size=7), r'map_size=7 has no effect'),
    (dict(norm_cfg=dict(type='BN')), r'norm_cfg=.* has no effect'),
    (dict(variant='theta_plus', extent=8, ratio=0), r'ratio must be an int of at least 1'),
])
def test_wrong_options_name_the_allowed_values(options, message):
    with pytest.raises(ValueError, match=message):
        GatherExcite(16, **options)

"""SqueezeExcite against the SE paper's equations 2 to 4 written as loops and plain functional calls."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import build_plugin_layer

from se_backbones.models.operators import SqueezeExcite

SIGMA = {'sigmoid': lambda v: 1 / (1 + math.exp(-v)), 'tanh': math.tanh, 'relu': lambda v: max(v, 0.0)}


@torch.no_grad()
def loops(operator, x, squeeze, gate):
    """Equations 2 to 4, one image and one channel at a time, in Python floats."""
    down, up = operator.excite.down, operator.excite.up
    out = torch.empty_like(x)
    for n in range(x.shape[0]):
        z = [float(plane.mean() if squeeze == 'avg' else plane.max()) for plane in x[n]]
        hidden = [max(0.0, sum(float(w) * v for w, v in zip(row.flatten(), z)) + float(b))
                  for row, b in zip(down.weight, down.bias if down.bias is not None else torch.zeros(len(down.weight)))]
        for c, row in enumerate(up.weight):
            bias = float(up.bias[c]) if up.bias is not None else 0.0
            out[n, c] = x[n, c] * SIGMA[gate](sum(float(w) * h for w, h in zip(row.flatten(), hidden)) + bias)
    return out


@pytest.mark.parametrize('gate', SIGMA)
@pytest.mark.parametrize('squeeze', ['avg', 'max'])
def test_equals_the_equations(squeeze, gate):
    operator = SqueezeExcite(12, ratio=3, squeeze=squeeze, gate=gate).double()
    torch.nn.init.normal_(operator.excite.up.bias)
    for size in ((7, 5), (1, 1)):
        x = torch.randn(2, 12, *size, dtype=torch.float64)
        torch.testing.assert_close(operator(x), loops(operator, x, squeeze, gate))


def test_without_squeeze_every_position_has_its_own_gate():
    operator = SqueezeExcite(8, ratio=2, squeeze='none')
    x = torch.randn(1, 8, 4, 3)
    expected = torch.empty_like(x)
    for i in range(4):
        for j in range(3):
            v = x[0, :, i, j]
            hidden = F.relu(F.linear(v, operator.excite.down.weight[:, :, 0, 0], operator.excite.down.bias))
            expected[0, :, i, j] = v * torch.sigmoid(
                F.linear(hidden, operator.excite.up.weight[:, :, 0, 0], operator.excite.up.bias))
    torch.testing.assert_close(operator(x), expected)


@pytest.mark.parametrize(('channels', 'hidden'), [(320, 20), (576, 36), (608, 38), (1056, 66), (8, 1)])
def test_hidden_width_is_floored_and_not_rounded_to_eight(channels, hidden):
    assert SqueezeExcite(channels).excite.down.out_channels == hidden


def test_weights_begin_as_he_et_al_by_fan_in_and_biases_at_zero():
    """SE paper, section 5: the initialisation of its reference [66]; in Caffe's filler, fan-in is the default."""
    excite = SqueezeExcite(1024, ratio=4).excite
    assert excite.down.weight.std().item() == pytest.approx(math.sqrt(2 / 1024), rel=0.02)
    assert excite.up.weight.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.02)
    assert not excite.down.bias.any() and not excite.up.bias.any()


def test_bias_false_leaves_two_matrices():
    assert [p.shape for p in SqueezeExcite(32, bias=False).parameters()] == [(2, 32, 1, 1), (32, 2, 1, 1)]


@pytest.mark.parametrize('squeeze', ['avg', 'max', 'none'])
@pytest.mark.parametrize('gate', SIGMA)
def test_gradients(squeeze, gate):
    operator = SqueezeExcite(4, ratio=2, squeeze=squeeze, gate=gate).double()
    # Random biases too: with zeros a position whose hidden units are all off sits on the kink of the ReLU gate.
    names, parameters = zip(*((name, torch.randn_like(p).requires_grad_()) for name, p in operator.named_parameters()))
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)

    def run(x, *values):
        return torch.func.functional_call(operator, dict(zip(names, values)), (x,))
    assert torch.autograd.gradcheck(run, (x, *parameters))


def test_gate_multiplies_the_input():
    operator, x = SqueezeExcite(16), torch.randn(3, 16, 5, 5)
    assert operator.gate(x).shape == (3, 16, 1, 1)
    torch.testing.assert_close(operator(x), x * operator.gate(x))


def test_half_start_is_exactly_half():
    operator, x = SqueezeExcite(16), torch.randn(3, 16, 5, 5)
    operator.zero_logits()
    assert torch.equal(operator(x), x / 2)


def test_is_a_plugin_layer_by_its_prefixed_name():
    name, layer = build_plugin_layer(dict(type='se_backbones.SqueezeExcite', ratio=4), in_channels=16)
    assert name == 'squeeze_excite'
    assert layer.excite.down.weight.shape == (4, 16, 1, 1)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(ratio=0), r'ratio must be an int of at least 1, got 0'),
    (dict(ratio=16.0), r'ratio must be an int'),
    (dict(squeeze='mean'), r"squeeze must be one of 'avg', 'max', 'none', got 'mean'"),
    (dict(gate='sigmoyd'), r"Did you mean 'sigmoid'"),
    (dict(bias=1), r'bias must be one of True, False, got 1'),
])
def test_wrong_options_name_the_allowed_values(options, message):
    with pytest.raises(ValueError, match=message):
        SqueezeExcite(16, **options)

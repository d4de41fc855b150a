"""Where floating point ends: saturated gates in half precision, tiny and huge inputs, zeros, one value per channel."""

import logging
import math
from itertools import product

import mmcv
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from se_backbones import config_path
from se_backbones.lab.digits import make_single_digits
from se_backbones.models.operators import ContextOperator, GatherExcite, SqueezeExcite
from se_backbones.models.operators import gather as gathers

OPERATORS = {
    'se': lambda: SqueezeExcite(8, ratio=2),
    'se max': lambda: SqueezeExcite(8, ratio=2, squeeze='max'),
    'no squeeze': lambda: SqueezeExcite(8, ratio=2, squeeze='none'),
    'se tanh': lambda: SqueezeExcite(8, ratio=2, gate='tanh'),
    'theta-minus': lambda: GatherExcite(8),
    'theta-minus e4': lambda: GatherExcite(8, extent=4),
    'theta': lambda: GatherExcite(8, variant='theta', map_size=(9, 7)),
    'theta e2': lambda: GatherExcite(8, variant='theta', extent=2),
    'theta-plus': lambda: GatherExcite(8, variant='theta_plus', map_size=(9, 7), ratio=2),
    'theta-plus e4': lambda: GatherExcite(8, variant='theta_plus', extent=4, ratio=2),
}
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
every_operator = pytest.mark.parametrize('build', OPERATORS.values(), ids=OPERATORS)
devices = pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])


def run(operator, x, weight=1.0):
    """Return the output and the gradients of its weighted sum: of the input, then of the parameters."""
    x = x.detach().requires_grad_()
    y = operator(x)
    return y, torch.autograd.grad((weight * y).sum(), [x, *operator.parameters()], allow_unused=True)


def finite(tensors):
    return all(t is None or t.isfinite().all() for t in tensors)


def saturate(operator, logit=1e4):
    """Make the gate's logit ``logit`` in the even channels and ``-logit`` in the odd ones."""
    layer = operator.logit_layer
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([logit, -logit]).repeat(layer.bias.numel() // 2))
    return operator


@devices
@pytest.mark.parametrize('build', [build for name, build in OPERATORS.items() if 'minus' not in name],
                         ids=[name for name in OPERATORS if 'minus' not in name])
def test_a_saturated_gate_is_exact_and_its_gradients_are_finite(build, device):
    for dtype in DTYPES:
        operator = saturate(build()).to(device, dtype)
        x = torch.randn(2, 8, 9, 7, device=device, dtype=dtype)
        y, gradients = run(operator, x)
        closed = -x[:, 1::2] if operator.gate_name == 'tanh' else torch.zeros_like(x[:, 1::2])
        assert torch.equal(y[:, ::2], x[:, ::2]) and torch.equal(y[:, 1::2], closed)
        assert finite(gradients)
        torch.testing.assert_close(gradients[0][:, ::2], torch.ones_like(x[:, ::2]))


@devices
@every_operator
def test_tiny_and_huge_maps_have_finite_outputs_and_gradients(build, device):
    for scale, training in product((0, 1e-38, 1e-20, 1e10, 1e18), (True, False)):
        operator = build().to(device).train(training)
        x = scale * torch.randn(2, 8, 9, 7, device=device)
        y, gradients = run(operator, x)
        assert y.isfinite().all() and finite(gradients), scale
        assert (y.abs() <= x.abs()).all()  # the gates are at most 1


@devices
@every_operator
def test_half_precision_maps_at_both_ends_of_the_range_are_finite_with_their_gradients(build, device):
    """Under autocast, as in training: convolutions in half precision, norms in float32, the map in half.

    A gate's gradient is a sum over the map of products with it. Where that leaves float16's range it is infinite, as
    any such sum is, and the loss scaler skips the step; the weight here keeps it within.
    """
    for scale, dtype in product((0, 1e-8, 6e4), DTYPES[1:]):  # denormal; near the maximum of float16
        operator = build().to(device)
        for parameter in operator.parameters():
            # The sum over a window of a random convolution may leave float16's range by itself: 9 * 6e4.
            parameter.data.clamp_(-0.01, 0.01)
        x = (scale * (2 * torch.rand(2, 8, 9, 7, device=device) - 1)).to(dtype)
        with torch.autocast(device, dtype):
            y, gradients = run(operator, x, 1e-5)
        assert y.dtype == dtype
        assert y.isfinite().all() and finite(gradients), (scale, dtype)


@every_operator
def test_an_all_zero_map_stays_zero_whatever_the_gate(build):
    for training in (True, False):
        y, gradients = run(build().train(training), torch.zeros(2, 8, 9, 7))
        assert not y.any() and finite(gradients)


@pytest.mark.parametrize('op', [
    dict(type='GatherExcite', variant='theta'), dict(type='GatherExcite', variant='theta_plus', ratio=2),
    dict(type='GatherExcite', variant='theta', extent=8)], ids=['theta', 'theta-plus', 'theta e8'])
def test_one_image_in_training_uses_the_running_statistics_of_gathers_that_see_one_value(op, monkeypatch):
    """A batch norm of one value per channel has no variance: torch raises, here the running statistics serve."""
    said = []
    monkeypatch.setattr(gathers, 'print_log', lambda text, **kwargs: said.append((text, kwargs.get('level'))))
    gathers._log_running_statistics.cache_clear()
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(2, 1, 1), base_channels=8, context=dict(op=op),
                            input_size=64)).train()
    # Statistics that are not those of a fresh norm, to see that they are read and not written.
    norms = {name: norm for name, norm in net.named_modules() if '.context.' in name and isinstance(
        norm, nn.BatchNorm2d)}
    for norm in norms.values():
        norm.running_mean.fill_(0.25)
        norm.running_var.fill_(2.0)
    sizes = {}
    for name in norms:
        convolution = net.get_submodule(name.replace('.bn', '.conv'))
        convolution.register_forward_hook(lambda _, x, y, name=name: sizes.update({name: y[0, 0].numel()}))
    outputs = net(torch.randn(1, 3, 64, 64))
    outputs[-1].square().sum().backward()
    assert finite([*outputs, *(p.grad for p in net.parameters())])
    single = {name for name, values in sizes.items() if values == 1}
    assert single
    for name, norm in norms.items():
        kept = torch.equal(norm.running_mean, torch.full_like(norm.running_mean, 0.25))
        assert kept is (name in single), name
    assert len(said) == 1 and said[0][1] == logging.WARNING and 'one value per channel' in said[0][0]


@pytest.mark.parametrize('variant', ['theta', 'theta_plus'])
def test_one_value_per_channel_is_normalised_by_the_running_statistics(variant):
    torch.manual_seed(1)
    operator = GatherExcite(8, variant=variant, map_size=4, norm_cfg=dict(type='BN', eps=0.1)).train()
    norm = operator.gather.last_norm
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 8, 4, 4)
    conv = (operator.gather.conv1.weight[:, 0] * x[0]).sum((1, 2))
    expected = (conv - norm.running_mean) / (norm.running_var + 0.1).sqrt()
    seen = operator.gather(x)[0, :, 0, 0]
    torch.testing.assert_close(seen, expected.relu() if variant == 'theta_plus' else expected)


def digits_run(dtype, device, steps, folder):
    """Train the digits classifier in mixed precision with gates that begin saturated; return losses and the network.

    The images are those of configs/digits, the operators SE and GE theta-plus in turn. All gates begin at logits of
    plus or minus 30, where float16 and bfloat16 give exactly 1 and 9e-14 or 0.
    """
    make_single_digits(folder)
    files = sorted((folder / 'train').rglob('*.png'))
    images = torch.stack([torch.from_numpy(mmcv.imread(str(file))) for file in files]).permute(0, 3, 1, 2).float()
    labels = torch.tensor([int(file.parent.name) for file in files])
    cfg = Config.fromfile(config_path('digits/resnet18_se.py')).model
    cfg.backbone.update(base_channels=8, context=[
        dict(op=dict(type='SqueezeExcite', ratio=4), stages=((True, False),) * 4),
        dict(op=dict(type='GatherExcite', variant='theta_plus', extent=4, ratio=4), stages=((False, True),) * 4)])
    cfg.head.in_channels = 64
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(cfg)
    net.init_weights()
    operators = [module for module in net.modules() if isinstance(module, ContextOperator)]
    for operator in operators:
        with torch.no_grad():
            operator.logit_layer.bias.copy_(torch.tensor([30.0, -30.0]).repeat(operator.in_channels // 2))
    net.to(device).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
    losses, closed = [], []
    gates = [operator.register_forward_hook(lambda module, inputs, output: closed.append(
        (module.gate(inputs[0].detach()) < 1e-3).float().mean().item())) for operator in operators]
    for step in range(steps):
        batch = torch.randint(len(images), (64,))
        x = ((images[batch] - 127.5) / 127.5).to(device)
        with torch.autocast(device, dtype):
            scores = net.head(net.extract_feat(x))
            loss = nn.functional.cross_entropy(scores.float(), labels[batch].to(device))
        if step == 0:
            for hook in gates:
                hook.remove()
        losses.append(loss.item())
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert len(closed) == len(operators) == 8 and min(closed) > 0.4  # they did begin saturated
    return losses, net


def not_finite(losses, net):
    """Return how many losses are NaN or infinite, and the names of such tensors of the network."""
    return (sum(not math.isfinite(loss) for loss in losses),
            [name for name, value in net.state_dict().items() if not value.isfinite().all()])


@pytest.mark.parametrize('dtype', DTYPES[1:], ids=str)
def test_ten_steps_of_the_digits_run_from_saturated_gates_are_finite(dtype, tmp_path):
    losses, net = digits_run(dtype, 'cpu', 10, tmp_path)
    assert len(losses) == 10 and not_finite(losses, net) == (0, [])


@devices
@pytest.mark.slow
@pytest.mark.parametrize('dtype', DTYPES[1:], ids=str)
def test_a_thousand_steps_of_the_digits_run_from_saturated_gates_are_finite_and_learn(dtype, device, tmp_path,
                                                                                      record_property):
    losses, net = digits_run(dtype, device, 1000, tmp_path)
    bad, broken = not_finite(losses, net)
    first, last = losses[0], sum(losses[-50:]) / 50
    record_property('reliability', dict(
        what=f'steps of the digits classifier in {str(dtype).removeprefix("torch.")} on {device}, from saturated gates',
        tried=len(losses), lost=bad, note=f'loss {first:.2f} to {last:.3f}; no parameter became NaN or infinite'))
    assert not bad and not broken
    assert last < 0.5 * first

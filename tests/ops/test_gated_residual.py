"""The fused tail's functions against the equation in float64: values and all gradients, on every path of code."""

import pytest
import torch

from se_backbones.ops.gated_residual import autograd, cpu, reference, torch_code, triton_code

# On a machine without a GPU the kernels run under Triton's interpreter (tests/conftest.py).
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
CODES = {'cpu': cpu, 'torch': torch_code, 'triton': triton_code}
CASES = [(name, dtype) for name, dtypes in {
    'cpu': (torch.float64, torch.float32),
    'torch': (torch.float64, torch.float32, torch.float16, torch.bfloat16),
    'triton': (torch.float32, torch.float16, torch.bfloat16),
}.items() for dtype in dtypes]
SHAPES = {
    'odd': (3, 5, 7, 9),
    'one-pixel': (2, 3, 1, 1),
    'one-channel': (2, 1, 5, 7),
    'one-image': (1, 4, 6, 6),
    'one-value': (1, 1, 1, 1),
    'beyond-a-tile': (1, 3, 33, 35),
    'beyond-a-program': (1, 2, 65, 67),
    'many-channels': (2, 70, 4, 3),
    'even': (2, 8, 8, 8),
}
GRIDS = {'global': lambda h, w: (1, 1), 'E2': lambda h, w: (-(-h // 2), -(-w // 2)),
         'E8': lambda h, w: (-(-h // 8), -(-w // 8)), 'dense': lambda h, w: (h, w)}
# The interpreter takes milliseconds for each program of a kernel, and there is one for each cell of a gate.
PROGRAMS = 40
QUICK = [('odd', 'global'), ('odd', 'E8'), ('one-pixel', 'global'), ('many-channels', 'E2'), ('one-value', 'global'),
         ('beyond-a-tile', 'global')]


def interpretable(shape, rows, columns):
    return shape[0] * rows * columns * -(-shape[1] // 64) <= PROGRAMS


GRID_CASES = [
    pytest.param(code, dtype, shape, grid(*shape[2:]), id=f'{code}-{str(dtype).removeprefix("torch.")}-{name}-{kind}',
                 marks=[pytest.mark.slow] if code == 'triton' and (name, kind) not in QUICK else [])
    for code, dtype in CASES for name, shape in SHAPES.items() for kind, grid in GRIDS.items()
    if code != 'triton' or interpretable(shape, *grid(*shape[2:]))]
every_code = pytest.mark.parametrize(('code', 'dtype'), CASES, ids=lambda value: str(value).removeprefix('torch.'))
every_shape = pytest.mark.parametrize('shape', SHAPES.values(), ids=SHAPES)


@pytest.fixture
def using(monkeypatch):
    """Return a function that makes one file's code compute, whatever the dispatch would choose."""
    def use(code):
        monkeypatch.setattr(autograd, '_module_for', lambda x: CODES[code])
        return DEVICE if code == 'triton' else 'cpu'
    return use


def maps(shape, dtype, layout, device, offset=0.5):
    values = torch.randn(shape, dtype=torch.float64) + offset
    return values.to(device, dtype).contiguous(memory_format=layout).requires_grad_()


def cells(shape, dtype, device):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return torch.randn(shape, dtype=torch.float64).to(device, wide).requires_grad_()


def results(function, leaves, weights=None):
    """Return outputs and gradients by name; the loss weighs every output value differently."""
    outputs = function(**leaves)
    if weights is None:
        weights = {name: torch.randn(out.shape, dtype=torch.float64) for name, out in outputs.items()}
    loss = [(out.double() * weights[name].to(out.device)).sum() for name, out in outputs.items()]
    grads = torch.autograd.grad(sum(loss), [leaf for leaf in leaves.values() if leaf is not None])
    named = dict(zip([f'd{name}' for name, leaf in leaves.items() if leaf is not None], grads, strict=True))
    return {**outputs, **named}, weights


def exact(leaves):
    return {name: leaf if leaf is None else leaf.detach().cpu().double().requires_grad_()
            for name, leaf in leaves.items()}


def assert_as_accurate_as_the_equation(found, function, leaves, weights):
    """The error may be twice that of the equation evaluated in the same dtype, beyond a few units of its rounding."""
    truth, _ = results(function, exact(leaves), weights)
    # Sums over a map round once for each term, in an order that differs.
    rounding = torch.finfo(leaves['x'].dtype).eps * leaves['x'][0, 0].numel()**0.5
    same_dtype, _ = results(function, leaves, weights)
    for name, value in found.items():
        wanted = truth[name].detach().double()
        assert value.shape == wanted.shape, name
        assert value.dtype == same_dtype[name].dtype, name
        error = (value.detach().cpu().double() - wanted).abs().max()
        allowed = (same_dtype[name].detach().cpu().double() - wanted).abs().max()
        size = wanted.abs().max().clamp_min(1)
        assert error <= 2 * allowed + 8 * rounding * size, (name, float(error), float(allowed))


@pytest.mark.parametrize(('code', 'dtype', 'shape', 'grid'), GRID_CASES)
@pytest.mark.parametrize(('normed', 'relu'), [(True, True), (False, False)], ids=['norm-relu', 'axpy'])
def test_gated_residual_is_the_equation(using, code, dtype, shape, grid, normed, relu, layout):
    device = using(code)
    leaves = dict(x=maps(shape, dtype, layout, device), gate=cells((*shape[:2], *grid), dtype, device),
                  shortcut=maps(shape, dtype, layout, device, offset=-0.5),
                  scale=cells(shape[1:2], dtype, device) if normed else None,
                  shift=cells(shape[1:2], dtype, device) if normed else None)

    def fused(**leaves):
        return dict(out=autograd.gated_residual(**leaves, relu=relu))

    def equation(x, gate, shortcut, scale, shift):
        scale, shift = (None if value is None else value.to(x.dtype) for value in (scale, shift))
        return dict(out=reference.gated_residual(x, gate.to(x.dtype), shortcut, scale, shift, relu))
    found, weights = results(fused, leaves)
    assert found['out'].is_contiguous(memory_format=layout)
    assert_as_accurate_as_the_equation(found, equation, leaves, weights)


@every_code
@every_shape
@pytest.mark.parametrize('with_variance', [True, False], ids=['batch-statistics', 'squeeze-only'])
def test_moments_are_the_equation(using, code, dtype, shape, with_variance, layout):
    device = using(code)
    leaves = dict(x=maps(shape, dtype, layout, device))

    def fused(x):
        x, means, variance = autograd.moments(x, with_variance)
        # The alias is used too: its gradient and that of the moments meet.
        return dict(alias=x * 0.5, means=means, **(dict(variance=variance) if with_variance else {}))

    def equation(x):
        means, variance = reference.moments(x if x.dtype == torch.float64 else x.float())
        return dict(alias=x * 0.5, means=means, **(dict(variance=variance) if with_variance else {}))
    found, weights = results(fused, leaves)
    assert_as_accurate_as_the_equation(found, equation, leaves, weights)


@every_code
def test_moments_of_maps_far_from_zero_keep_their_digits(using, code, dtype, layout):
    device = using(code)
    if dtype in (torch.float16, torch.bfloat16):
        offset = 8.0  # what they can tell apart
    else:
        offset = 300.0
    x = maps((2, 3, 24, 31), dtype, layout, device, offset)
    _, means, variance = autograd.moments(x, True)
    exact_means, exact_variance = reference.moments(x.detach().cpu().double())
    torch.testing.assert_close(means.detach().cpu().double(), exact_means, rtol=1e-5, atol=0)
    torch.testing.assert_close(variance.detach().cpu().double(), exact_variance, rtol=1e-3, atol=0)


@pytest.mark.parametrize('code', ['cpu', 'torch'])
@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (2, 2)])
def test_gradients_of_gradients(using, code, grid, layout):
    using(code)
    x, shortcut = (maps((2, 2, 3, 5), torch.float64, layout, 'cpu') for _ in range(2))
    gate, scale, shift = (cells(size, torch.float64, 'cpu') for size in ((2, 2, *grid), (2,), (2,)))

    def tail(x, gate, scale, shift, shortcut):
        x, means, variance = autograd.moments(x, True)
        gate = gate * torch.sigmoid(means)[:, :, None, None]
        return autograd.gated_residual(x, gate, shortcut, scale * torch.rsqrt(variance + 0.1), shift)
    assert torch.autograd.gradcheck(tail, (x, gate, scale, shift, shortcut))
    assert torch.autograd.gradgradcheck(tail, (x, gate, scale, shift, shortcut))


@every_code
def test_a_layout_that_no_code_expects_gives_the_same_values(using, code, dtype):
    device = using(code)
    wide = maps((2, 4, 6, 10), dtype, torch.contiguous_format, device).detach()
    x, shortcut = wide[..., ::2], wide[..., 1::2].transpose(2, 3).contiguous().transpose(2, 3)
    gate, scale, shift = (cells(size, dtype, device) for size in ((2, 4, 1, 1), (4,), (4,)))
    wanted = autograd.gated_residual(x.contiguous(), gate, shortcut.contiguous(), scale, shift)
    torch.testing.assert_close(autograd.gated_residual(x, gate, shortcut, scale, shift), wanted)
    torch.testing.assert_close(autograd.moments(x, True)[2], autograd.moments(x.contiguous(), True)[2])


@every_code
def test_nan_stays_nan(using, code, dtype, layout):
    device = using(code)
    x = maps((1, 2, 3, 3), dtype, layout, device).detach()
    x[0, 1, 2, 2] = float('nan')
    gate, scale, shift = (cells(size, dtype, device).detach() for size in ((1, 2, 1, 1), (2,), (2,)))
    out = autograd.gated_residual(x, gate, torch.zeros_like(x), scale, shift)
    assert out.isnan().nonzero().tolist() == [[0, 1, 2, 2]]


def test_only_the_maps_that_a_plain_network_keeps_are_kept(using, layout):
    using('cpu')
    x, shortcut = (maps((2, 4, 16, 16), torch.float32, layout, 'cpu') for _ in range(2))
    gate = cells((2, 4, 8, 8), torch.float32, 'cpu')
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y, means, variance = autograd.moments(x, True)
        out = autograd.gated_residual(y, gate, shortcut, variance, means.mean(0))
    large = {pointer for pointer, tensor in kept.items() if tensor.numel() >= gate.numel()}
    assert large == {tensor.untyped_storage().data_ptr() for tensor in (x, out, gate)}

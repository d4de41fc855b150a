"""The fused tail's functions against the equation in float64: values and all gradients, on every path of code."""

import copy
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from se_backbones.ops.residual_tail import autograd, cpu, gated_sum, naive, normalise

CODES = {'cpu': cpu}
if find_spec('triton'):
    from triton.runtime.interpreter import InterpretedFunction

    from se_backbones.ops.residual_tail import triton
    CODES['triton'] = triton
pytestmark = pytest.mark.usefixtures('triton_loops')

HAS_GPU = torch.cuda.is_available()
# On a machine without a GPU the kernels run under Triton's interpreter (tests/conftest.py).
DEVICES = {'cpu': 'cpu', 'triton': 'cuda' if HAS_GPU else 'cpu'}
MARKS = {'cpu': [], 'triton': [pytest.mark.any_device]}
DTYPES = {'cpu': (torch.float64, torch.float32), 'triton': (torch.float32, torch.float16, torch.bfloat16)}
CASES = [(code, dtype) for code in CODES for dtype in DTYPES[code]]
SHAPES = {
    'odd': (3, 5, 7, 9),
    'one-pixel': (2, 3, 1, 1),
    'one-channel': (2, 1, 5, 7),
    'one-image': (1, 4, 6, 6),
    'beyond-a-tile': (1, 3, 33, 35),
    'beyond-a-program': (1, 2, 65, 67),
    'many-channels': (2, 70, 4, 3),
    'even': (2, 8, 8, 8),
    'wide': (1, 2, 2, 80),
}
GRIDS = {'global': lambda h, w: (1, 1), 'E2': lambda h, w: (-(-h // 2), -(-w // 2)),
         'E8': lambda h, w: (-(-h // 8), -(-w // 8)), 'dense': lambda h, w: (h, w), 'rows': lambda h, w: (h, 1)}
# Relu, squeeze.
TAILS = {'training': (True, True), 'training-local': (True, False), 'frozen': (True, True),
         'frozen-local': (False, False), 'no-affine': (True, True), 'no-norm': (True, True),
         'no-norm-local': (False, False)}
# The interpreter takes milliseconds for each program of a kernel.
QUICK = [('odd', 'global'), ('odd', 'E2'), ('one-pixel', 'global'), ('many-channels', 'E2'),
         ('beyond-a-tile', 'global'), ('even', 'E8'), ('wide', 'E8')]
# Every shape with a gate for the whole map and with one for cells, and every grid of cells.
PAIRS = {*QUICK, *((shape, 'global') for shape in SHAPES), *(('odd', grid) for grid in GRIDS),
         *zip(SHAPES, [*GRIDS][1:] * 3)}


def case(code, dtype, *names):
    """Return a parameter; what is not quick under the interpreter is slow."""
    slow = code == 'triton' and not HAS_GPU and names and names not in QUICK
    return pytest.param(code, dtype, *names, id='-'.join([code, str(dtype).removeprefix('torch.'), *names]),
                        marks=[*MARKS[code], *[pytest.mark.slow] * bool(slow)])


every_code = pytest.mark.parametrize(('code', 'dtype'), [case(*names) for names in CASES])
# The dtypes after the first of each code differ from it in rounding alone.
every_shape_and_grid = pytest.mark.parametrize(('code', 'dtype', 'shape', 'grid'), [
    case(code, dtype, *pair) for code, dtype in CASES
    for pair in (sorted(PAIRS) if dtype == DTYPES[code][0] else QUICK)])


def maps(code, shape, dtype, layout, offset=0.5):
    values = torch.randn(shape, dtype=torch.float64) + offset
    return values.to(DEVICES[code], dtype).contiguous(memory_format=layout).requires_grad_()


def norm_for(kind, channels, code, dtype):
    """Return a norm as after some training, or None."""
    if kind.startswith('no-norm'):
        return None
    norm = nn.BatchNorm2d(channels, eps=0.1, affine=kind != 'no-affine')
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    norm.train(not kind.startswith('frozen'))
    return norm.to(DEVICES[code], torch.float64 if dtype == torch.float64 else torch.float32)


def leaves_for(code, dtype, shape, grid, layout, norm):
    gate = torch.randn(*shape[:2], *grid, dtype=torch.float64).to(DEVICES[code], dtype)
    return dict(x=maps(code, shape, dtype, layout), gate=gate.contiguous(memory_format=layout).requires_grad_(),
                shortcut=maps(code, shape, dtype, layout, offset=-0.5), weight=None if norm is None else norm.weight,
                bias=None if norm is None else norm.bias)


def fused(code, norm, relu=True, squeeze=True):
    """Return a tail with a gate that depends on the squeeze, where there is one, as a function of leaves."""
    def tail(x, gate, shortcut, weight=None, bias=None):
        features = normalise(CODES[code], x, norm, squeeze)
        if squeeze:
            gate = gate * torch.sigmoid(features.squeeze)[:, :, None, None]
        return gated_sum(CODES[code], features, gate, shortcut, relu)
    return tail


def equation(norm, relu=True, squeeze=True):
    """Return the same function in torch operations."""
    def tail(x, gate, shortcut, weight=None, bias=None):
        if norm is None:
            scale = shift = None
            z = naive.wide(x).mean((2, 3))
        else:
            statistics = None if norm.training else (norm.running_mean.to(x.device, naive.wide(x).dtype),
                                                     norm.running_var.to(x.device, naive.wide(x).dtype))
            scale, shift, z = naive.normalise(x, weight, bias, norm.eps, statistics)
        if squeeze:
            gate = gate * torch.sigmoid(z.to(x.dtype))[:, :, None, None]
        return naive.gated_sum(x, gate, shortcut, scale, shift, relu)
    return tail


def results(function, leaves, weight=None):
    """Return output and gradients by name; the loss weighs every output value differently."""
    out = function(**leaves)
    if weight is None:
        weight = torch.randn(out.shape, dtype=torch.float64)
    used = {name: leaf for name, leaf in leaves.items() if leaf is not None}
    grads = torch.autograd.grad((out.double() * weight.to(out.device)).sum(), list(used.values()))
    return dict(zip(['out', *(f'd{name}' for name in used)], [out, *grads], strict=True)), weight


def exact(leaves):
    return {name: leaf if leaf is None else leaf.detach().cpu().double().requires_grad_()
            for name, leaf in leaves.items()}


def assert_as_accurate_as_the_equation(found, function, leaves, weight):
    """The error may be twice that of the equation evaluated in the same dtype, beyond a few units of its rounding."""
    truth, _ = results(function, exact(leaves), weight)
    # Sums over a map round once for each term, in an order that differs.
    rounding = torch.finfo(leaves['x'].dtype).eps * leaves['x'][0, 0].numel()**0.5
    same_dtype, _ = results(function, leaves, weight)
    for name, value in found.items():
        wanted = truth[name].detach().double()
        assert value.shape == wanted.shape, name
        assert value.dtype == same_dtype[name].dtype, name
        error = (value.detach().cpu().double() - wanted).abs().max()
        allowed = (same_dtype[name].detach().cpu().double() - wanted).abs().max()
        size = wanted.abs().max().clamp_min(1)
        assert error <= 2 * allowed + 8 * rounding * size, (name, float(error), float(allowed))


def check(code, dtype, shape, grid, layout, kind):
    norm, (relu, squeeze) = norm_for(kind, shape[1], code, dtype), TAILS[kind]
    leaves = leaves_for(code, dtype, shape, grid, layout, norm)
    found, weight = results(fused(code, norm, relu, squeeze), leaves)
    assert found['out'].is_contiguous(memory_format=layout)
    assert_as_accurate_as_the_equation(found, equation(norm, relu, squeeze), leaves, weight)


@every_shape_and_grid
def test_the_tail_is_the_equation(code, dtype, shape, grid, layout):
    shape = SHAPES[shape]
    check(code, dtype, shape, GRIDS[grid](*shape[2:]), layout, 'training' if grid == 'global' else 'training-local')


@pytest.mark.parametrize('grid', [(1, 1), (2, 4)], ids=['global', 'local'])
@every_code
def test_with_each_norm_the_tail_is_the_equation(code, dtype, grid, layout):
    for kind in TAILS:
        check(code, dtype, (2, 5, 4, 7), grid, layout, kind)


@every_code
def test_running_statistics_are_those_of_torchs_norm(code, dtype, layout):
    for momentum in (0.3, None):
        norm = norm_for('training', 3, code, dtype)
        norm.momentum = momentum
        theirs = copy.deepcopy(norm).cpu().double()
        for _ in range(3):
            x = maps(code, (2, 3, 5, 4), dtype, layout, 3.0).detach()
            normalise(CODES[code], x, norm, squeeze=True)
            theirs(x.cpu().double())
        for name, value in norm.named_buffers():
            torch.testing.assert_close(value.cpu(), theirs.get_buffer(name).to(value.dtype))


@every_code
def test_a_norm_that_tracks_nothing_uses_the_batch(code, dtype, layout):
    norm = nn.BatchNorm2d(3, track_running_stats=False).eval()
    norm.to(DEVICES[code], torch.float64 if dtype == torch.float64 else torch.float32)
    x = maps(code, (2, 3, 5, 4), dtype, layout)
    scale, shift, _ = naive.normalise(x.detach().cpu().double(), norm.weight.cpu(), norm.bias.cpu(), norm.eps)
    features = normalise(CODES[code], x, norm, squeeze=False)
    torch.testing.assert_close((features.scale.cpu().double(), features.shift.cpu().double()), (scale, shift),
                               rtol=1e-5, atol=1e-5)
    assert features.squeeze is None


@every_code
def test_statistics_of_maps_far_from_zero_keep_their_digits(code, dtype, layout):
    # What half precision can tell apart.
    offset = 8.0 if dtype in (torch.float16, torch.bfloat16) else 300.0
    x = maps(code, (2, 3, 24, 31), dtype, layout, offset).detach()
    norm = norm_for('training', 3, code, dtype)
    norm.eps = 1e-9
    theirs = naive.normalise(x.cpu().double(), norm.weight.cpu().double(), norm.bias.cpu().double(), 1e-9)
    found = normalise(CODES[code], x, norm, squeeze=True)
    torch.testing.assert_close(found.scale.detach().cpu().double(), theirs[0].detach(), rtol=1e-3, atol=0)
    norm.eval()
    norm.running_mean.zero_()
    norm.running_var.fill_(1)
    means = (normalise(CODES[code], x, norm, squeeze=True).squeeze - norm.bias) / norm.weight
    torch.testing.assert_close(means.detach().cpu().double(), x.cpu().double().mean((2, 3)),
                               rtol=max(1e-5, 2 * torch.finfo(dtype).eps), atol=0)


@pytest.mark.parametrize('grid', [(1, 1), (2, 3)])
def test_gradients_of_gradients(grid, layout):
    norm = norm_for('training', 2, 'cpu', torch.float64)
    leaves = leaves_for('cpu', torch.float64, (2, 2, 3, 5), grid, layout, norm)
    assert torch.autograd.gradcheck(fused('cpu', norm), tuple(leaves.values()))
    assert torch.autograd.gradgradcheck(fused('cpu', norm), tuple(leaves.values()))


@every_code
def test_gradients_that_are_differentiated_again_and_batches_of_gradients(code, dtype, layout):
    norm = norm_for('training', 3, code, dtype)
    leaves = leaves_for(code, dtype, (2, 3, 4, 6), (1, 1), layout, norm)
    grads = torch.randn(2, 2, 3, 4, 6, dtype=torch.float64)

    def second_order(tail, leaves):
        out = tail(**leaves)
        first = torch.autograd.grad(out, list(leaves.values()), grads[0].to(out.device, out.dtype), create_graph=True)
        # The shortcut has no part in gradients.
        loss = sum(grad.square().sum() for name, grad in zip(leaves, first, strict=True) if name != 'shortcut')
        return torch.autograd.grad(loss, [leaf for name, leaf in leaves.items() if name != 'shortcut'])

    def batched(tail, leaves):
        out = tail(**leaves)
        return torch.autograd.grad(out, list(leaves.values()), grads.to(out.device, out.dtype), is_grads_batched=True)
    for compute in (second_order, batched):
        found, same_dtype = compute(fused(code, norm), leaves), compute(equation(norm), leaves)
        for a, b, wanted in zip(found, same_dtype, compute(equation(norm), exact(leaves)), strict=True):
            error, allowed = ((value.cpu().double() - wanted).abs().max() / wanted.abs().max() for value in (a, b))
            assert error <= 2 * allowed + 16 * torch.finfo(dtype).eps, (float(error), float(allowed))


@pytest.mark.parametrize('grid', [(1, 1), (2, 5)], ids=['global', 'local'])
@every_code
def test_a_layout_that_no_code_expects_gives_the_same_values(code, dtype, grid):
    norm = norm_for('training', 4, code, dtype)
    wide = maps(code, (2, 4, 6, 10), dtype, torch.contiguous_format).detach()
    leaves = leaves_for(code, dtype, (2, 4, 6, 5), grid, torch.contiguous_format, norm)
    leaves |= dict(x=wide[..., ::2].requires_grad_(),
                   shortcut=wide[..., 1::2].transpose(2, 3).contiguous().transpose(2, 3).requires_grad_())
    dense = leaves | {name: leaves[name].detach().contiguous().requires_grad_() for name in ('x', 'shortcut')}
    found, weight = results(fused(code, norm), leaves)
    # What comes back may be in another layout too.
    weight = weight.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, results(fused(code, norm), dense, weight)[0])


@every_code
def test_nan_stays_nan(code, dtype, layout):
    x = maps(code, (1, 2, 3, 3), dtype, layout).detach()
    x[0, 1, 2, 2] = float('nan')
    leaves = leaves_for(code, dtype, (1, 2, 3, 3), (1, 1), layout, None)
    out = fused(code, None, squeeze=False)(x, leaves['gate'], torch.zeros_like(x))
    assert out.isnan().nonzero().tolist() == [[0, 1, 2, 2]]
    out = fused(code, norm_for('training', 2, code, dtype))(x, leaves['gate'], torch.zeros_like(x))
    assert out.isnan().sum((0, 2, 3)).tolist() == [0, 9]


@every_code
def test_only_the_maps_that_a_plain_network_keeps_are_kept(code, dtype, layout):
    norm = norm_for('training', 4, code, dtype)
    leaves = leaves_for(code, dtype, (2, 4, 16, 16), (8, 8), layout, norm)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = fused(code, norm, squeeze=False)(**leaves)
    large = {pointer for pointer, tensor in kept.items() if tensor.numel() >= leaves['gate'].numel()}
    assert large == {tensor.untyped_storage().data_ptr() for tensor in (leaves['x'], out, leaves['gate'])}


@pytest.mark.parametrize(('code', 'dtype', 'programs'), [
    pytest.param(code, dtype, programs, marks=MARKS[code]) for code, dtype in CASES
    for programs in ((1, 2048) if code == 'triton' else (1,))], ids=str)
def test_partial_sums_of_more_images_than_are_added_at_a_time_and_of_several_programs_a_map(code, dtype, programs,
                                                                                            layout, monkeypatch):
    if code == 'triton':
        monkeypatch.setitem(triton.FINALISE, 'BN', 4)
        monkeypatch.setattr(triton, 'PROGRAMS', programs)
    shape = (9, 2, 29, 41) if layout is torch.contiguous_format else (9, 9, 6, 13)
    check(code, dtype, shape, (1, 1), layout, 'training')


needs_triton = pytest.mark.skipif('triton' not in CODES, reason='Triton is not installed')
on_triton = [*MARKS['triton'], needs_triton]


def marked(function):
    for mark in on_triton:
        function = mark(function)
    return function


@marked
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('grid', [(1, 1), (2, 2)], ids=['global', 'local'])
def test_norms_and_gates_of_another_precision_have_gradients_of_theirs(dtype, grid):
    """Networks in half precision have half norms; gates may be float32 beside half maps, as under autocast."""
    norm = norm_for('training', 3, 'triton', dtype).to(dtype)
    leaves = leaves_for('triton', dtype, (2, 3, 4, 4), grid, torch.contiguous_format, norm)
    leaves['gate'] = leaves['gate'].detach().float().requires_grad_()
    found, weight = results(fused('triton', norm), leaves)
    assert {name: value.dtype for name, value in found.items()} == dict(
        out=dtype, dx=dtype, dgate=torch.float32, dshortcut=dtype, dweight=dtype, dbias=dtype)
    assert norm.running_mean.dtype == dtype
    truth, _ = results(equation(norm), exact(leaves), weight)
    for name, value in found.items():
        error = (value.detach().cpu().double() - truth[name]).abs().max() / truth[name].abs().max()
        assert error <= 16 * torch.finfo(dtype).eps, (name, float(error))


class Launches(TorchDispatchMode):
    """Counts torch's operations on tensors that would be a launch on a GPU."""

    FREE = ('view', '_unsafe_view', 'reshape', '_reshape_alias', 'as_strided', 'alias', 'detach', 't', 'transpose',
            'expand', 'unsqueeze', 'squeeze', 'slice', 'select', 'unbind')

    def __init__(self):
        super().__init__()
        self.names, self.paused = [], False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        poison = name == 'fill_' and args[1] != args[1]  # tests/ops/conftest.py
        if not (self.paused or poison or name.startswith(('empty', 'new_empty')) or name in self.FREE):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def launches(monkeypatch):
    """What torch and Triton launch while it is entered, by name."""
    counter, run = Launches(), InterpretedFunction.run

    def counted(self, *args, **kwargs):
        counter.names.append(self.fn.__name__)
        counter.paused = True  # the interpreter works on tensors too
        try:
            return run(self, *args, **kwargs)
        finally:
            counter.paused = False
    monkeypatch.setattr(InterpretedFunction, 'run', counted)
    return counter


@needs_triton
@pytest.mark.skipif(HAS_GPU, reason='counted under the interpreter')
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_an_se_units_tail_is_three_launches_and_four_back(launches, layout, dtype):
    norm = norm_for('training', 32, 'triton', dtype)
    leaves = leaves_for('triton', dtype, (2, 32, 6, 6), (1, 1), layout, norm)
    grad = torch.randn_like(leaves['x'])
    with launches:
        out = fused('triton', norm, squeeze=True)(**leaves)
    ours = ['sums_kernel', 'norm_kernel', 'tail_kernel']
    assert [name for name in launches.names if name.endswith('kernel')] == ours
    assert sorted(set(launches.names) - set(ours)) == ['add_', 'mul', 'sigmoid']  # batches counted; the test's gate
    launches.names.clear()
    with launches:
        torch.autograd.grad(out, list(leaves.values()), grad)
    ours = ['tail_backward_kernel', 'gate_backward_kernel', 'norm_backward_kernel', 'affine_kernel']
    assert [name for name in launches.names if name.endswith('kernel')] == ours
    assert sorted(set(launches.names) - set(ours)) == ['mul', 'sigmoid_backward']


@needs_triton
@pytest.mark.skipif(HAS_GPU, reason='counted under the interpreter')
def test_an_se_unit_is_at_most_24_launches_with_its_excitation(launches, layout):
    norm, excite = norm_for('training', 32, 'triton', torch.float32), nn.Sequential(
        nn.Linear(32, 2), nn.ReLU(inplace=True), nn.Linear(2, 32), nn.Sigmoid())
    x, shortcut = (maps('triton', (2, 32, 6, 6), torch.float32, layout) for _ in range(2))
    grad = torch.randn_like(x)
    with launches:
        features = normalise(triton, x, norm, squeeze=True)
        out = gated_sum(triton, features, excite(features.squeeze)[:, :, None, None], shortcut, relu=True)
        out.backward(grad)
    assert len(launches.names) <= 24, launches.names


@needs_triton
@pytest.mark.skipif(HAS_GPU, reason='counted under the interpreter')
@pytest.mark.parametrize('size', [(8, 8), (7, 9)], ids=['even', 'uneven'])
def test_a_local_gate_costs_no_launch_more(launches, layout, size):
    norm = norm_for('training', 4, 'triton', torch.float32)
    leaves = leaves_for('triton', torch.float32, (2, 4, *size), (4, 4), layout, norm)
    grad = torch.randn_like(leaves['x'])
    with launches:
        out = fused('triton', norm, squeeze=False)(**leaves)
        torch.autograd.grad(out, list(leaves.values()), grad)
    assert launches.names == ['add_', 'sums_kernel', 'norm_kernel', 'local_tail_kernel', 'local_tail_backward_kernel',
                              'sum', 'norm_backward_kernel', 'affine_kernel']


@needs_triton
def test_grids_have_one_axis_and_programs_of_many_cells(monkeypatch):
    """At extent 2 an image of 2,048 px has 65,536 cells, more than CUDA's grid takes in y and z."""
    grids = []
    monkeypatch.setattr(triton, '_launch', lambda kernel, grid, *args, **constants: grids.append(grid))
    x = torch.empty(1, 256, 512, 512)
    gate = torch.empty(1, 256, 256, 256)
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.empty_like(x, memory_format=layout)
        triton.gated_sum(x, gate, x, None, None, relu=True)
        triton.gated_sum_backward(x, x, x, gate, None, None)
    assert all(len(grid) == 1 for grid in grids)
    assert max(grid[0] for grid in grids) <= 256 * 256 * 256 // 128


@needs_triton
def test_why_not_gives_a_reason_and_never_raises(monkeypatch):
    device = torch.device('cuda', 0)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: 'GTX 1080')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (6, 1))
    assert triton.why_not(device) == 'GTX 1080 has compute capability 6.1, and kernels for float16 need 7.0'
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (7, 5))
    assert triton.why_not(device, torch.bfloat16) == ('GTX 1080 has compute capability 7.5, and kernels for bfloat16 '
                                                      'need 8.0')

    def fail(*args, **kwargs):
        raise RuntimeError('Failed to find C compiler. Please specify via CC\nor set it')
    monkeypatch.setattr(triton.torch, 'ones', fail)
    assert triton.why_not(device) == ('a trial launch of a Triton kernel failed with RuntimeError: Failed to find C '
                                      'compiler. Please specify via CC')
    monkeypatch.setattr(torch.version, 'hip', '6.4')
    assert triton.why_not(device) == 'the kernels are written for NVIDIA GPUs'


@needs_triton
@pytest.mark.gpu
def test_the_trial_launch_works_here():
    assert triton.why_not(torch.device('cuda', torch.cuda.current_device())) is None


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two GPUs')
def test_kernels_run_on_the_tensors_device_while_another_one_is_current():
    norm = norm_for('training', 5, 'triton', torch.float32)
    leaves = leaves_for('triton', torch.float32, (2, 5, 7, 9), (1, 1), torch.contiguous_format, norm)
    here, weight = results(fused('triton', norm), leaves)
    norm.to('cuda:1')
    leaves |= {name: leaves[name].detach().to('cuda:1').requires_grad_() for name in ('x', 'gate', 'shortcut')}
    leaves |= dict(weight=norm.weight, bias=norm.bias)
    with torch.cuda.device(0):
        there, _ = results(fused('triton', norm), leaves, weight)
        assert torch.cuda.current_device() == 0
    torch.testing.assert_close({name: value.cpu() for name, value in there.items()},
                               {name: value.cpu() for name, value in here.items()})


def test_statistics_say_what_torchs_norm_does():
    """The norm's own rule, in all settings: which statistics, and what becomes of the running ones."""
    for training in (True, False):
        for tracks in (True, False):
            norm = nn.BatchNorm2d(2, track_running_stats=tracks).train(training)
            statistics = autograd._statistics(norm)
            assert statistics.of_batch == (training or not tracks)
            assert statistics.factor == (0.1 if training and tracks else None)

"""Our operators on maps of 1 to 9 rows and columns, where libraries take paths of their own; print what is wrong.

``test_poisoned_memory.py`` runs this in a process whose memory is poisoned.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import nn

from se_backbones.models.operators import GatherExcite
from se_backbones.ops import average_pool, depthwise_conv3x3_s2, gated_scale, map_dot
from se_backbones.ops.depthwise import at_least_two_columns
from se_backbones.ops.residual_tail import cpu, gated_sum, normalise

NUM_CHANNELS = 40
LAYOUTS = (torch.contiguous_format, torch.channels_last)
# What a chain of stride 2 roundings may lose.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def tail(x, gate):
    norm = nn.BatchNorm2d(x.shape[1]).to(x.dtype)
    features = normalise(cpu, x, norm, squeeze=True)
    return gated_sum(cpu, features, gate * features.squeeze[:, :, None, None], x, relu=True)


def plain_tail(x, gate):
    y = F.batch_norm(x, None, None, training=True)
    return F.relu(plain_scale(y, gate * y.mean((2, 3), keepdim=True)) + x)


def plain_scale(x, gate):
    rows, columns = (torch.arange(size) * cells // size
                     for size, cells in zip(x.shape[2:], gate.shape[2:], strict=True))
    return x * gate[:, :, rows][:, :, :, columns]


def convolution(x, weight):
    return F.conv2d(x, weight, None, 2, 1, 1, len(weight))


def pairs(height, width, dtype):
    """Yield name, ours, the same in torch, and the shape of the second argument or None."""
    c = NUM_CHANNELS
    yield 'depthwise_conv3x3_s2', depthwise_conv3x3_s2, convolution, (c, 1, 3, 3)
    yield ('at_least_two_columns', lambda x, weight: convolution(at_least_two_columns(x), weight), convolution,
           (c, 1, 3, 3))
    yield 'map_dot', map_dot, lambda x, weight: (x * weight).sum((2, 3)), (c, height, width)
    for extent in (2, 4, 8, 9):  # 9: one cell
        grid = -(-height // extent), -(-width // extent)
        yield (f'average_pool E{extent}', lambda x, e=extent: average_pool(x, e),
               lambda x, e=extent: F.avg_pool2d(x, 2 * e - 1, e, e - 1, count_include_pad=False), None)
        yield f'gated_scale E{extent}', gated_scale, plain_scale, (3, c, *grid)
        if dtype == torch.float32:
            yield f'tail E{extent}', tail, plain_tail, (3, c, *grid)


def laid_out(values, dtype, layout):
    """Return a leaf whose strides say the layout, for one pixel too."""
    if values.dim() != 4:
        return values.to(dtype).requires_grad_()
    return torch.empty_like(values, dtype=dtype, memory_format=layout).copy_(values).requires_grad_()


def results(function, leaves, weight):
    out = function(*leaves)
    return [out, *torch.autograd.grad(out, leaves, laid_out(weight, out.dtype, layout_of(out)))]


def layout_of(x):
    return torch.channels_last if x.dim() == 4 and x.stride(1) == 1 else torch.contiguous_format


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print('unwritten', float(torch.empty(100).abs().max()))
    for dtype, layout, height, width in product(TOLERANCE, LAYOUTS, (1, 2, 3, 4, 9), range(1, 10)):
        for name, ours, torchs, shape in pairs(height, width, dtype):
            values = [torch.randn(3, NUM_CHANNELS, height, width), *([] if shape is None else [torch.randn(shape)])]
            leaves = [laid_out(value, dtype, layout) for value in values]
            exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
            weight = torch.randn(torchs(*exact).shape)
            wanted = results(torchs, exact, weight.to(dtype).double())
            for place, (a, b) in enumerate(zip(results(ours, leaves, weight.to(dtype)), wanted, strict=True)):
                error = float((a.detach().double() - b.detach()).abs().max() / b.detach().abs().max().clamp_min(1))
                if not error <= TOLERANCE[dtype]:
                    print(name, dtype, layout, (height, width), f'result {place}', error)
        for variant, extent in product(('theta',), (2, 8)):
            operator = GatherExcite(NUM_CHANNELS, variant, extent, norm_cfg=dict(type='GN', num_groups=4)).to(dtype)
            x = laid_out(torch.randn(3, NUM_CHANNELS, height, width), dtype, layout)
            grads = torch.autograd.grad(operator(x).float().sum(), [x, *operator.parameters()])
            if not all(grad.isfinite().all() for grad in grads):
                print(variant, extent, dtype, layout, (height, width), 'has gradients that are no numbers')


if __name__ == '__main__':
    main()

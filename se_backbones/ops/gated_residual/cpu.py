"""The same functions for float32 and float64 on a CPU, from the library calls that pass over memory least often.

What the measurements behind this file showed (docs/benchmarks): a new full-size tensor costs page faults, so chains
run in place; torch's statistics of a batch norm in NCHW take several times as long as reading the tensor, while the
reduction inside its *backward* runs at the speed of memory, and so does the affine map of its eval mode. Both are
called here with the maps of all images as channels, which makes them sums and affine maps per image and channel. In
channels_last the same holds per image.
"""

import torch
from torch import Tensor

from se_backbones.ops.cells import cell_sums, paired

aten = torch.ops.aten
# Below this many values per image a call per image costs more than a second pass over them.
VALUES_PER_CALL = 1 << 18
# Where a channel's mean is this many times its deviation, x (x - mean) loses more digits than training should.
FAR_FROM_ZERO = 16


def moments(x: Tensor, with_variance: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return means ``(N, C)``, their mean ``(C,)``, and the variance ``(C,)`` or None."""
    means = x.mean((2, 3))
    mean = means.mean(0)
    variance = None
    if with_variance:
        variance = _variance(x, means, mean)
    return means, mean, variance


def _variance(x: Tensor, means: Tensor, mean: Tensor) -> Tensor:
    if x.is_contiguous():
        # sum (x - mean) x = sum (x - mean)^2 once it is summed over the batch, as sum (x - mean) is zero.
        _, squares = _sums(x, x, mean.expand_as(means))
        variance = squares.sum(0).div_(x.numel() // x.shape[1]).clamp_(min=0)
        if not bool((mean.square() > FAR_FROM_ZERO**2 * variance).any()):
            return variance
    return torch.batch_norm_update_stats(x, None, None, 0.0)[1]


def scale_shift_add(x: Tensor, scale: Tensor, shift: Tensor | None, shortcut: Tensor, relu: bool) -> Tensor:
    """Return ``relu(scale * x + shift + shortcut)``; see :func:`reference.scale_shift_add`."""
    out = torch.empty_like(x)  # not a view of another tensor, which nobody could change in place
    if shift is not None and scale[0, 0].numel() == 1:
        _affine(x, scale, shift, out)
    else:
        pixels, factors = paired(x, scale)
        target = paired(out, scale)[0]
        if shift is None:
            torch.mul(pixels, factors, out=target)
        else:
            torch.addcmul(paired(x, shift)[1], pixels, factors, out=target)
    out.add_(shortcut)
    return out.relu_() if relu else out


def scale_shift_add_backward(grad: Tensor, out: Tensor | None, x: Tensor, scale: Tensor
                             ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of shortcut, x, scale and shift; see :func:`torch_code.scale_shift_add_backward`."""
    g = grad if out is None else aten.threshold_backward(grad, out, 0)
    grid = tuple(scale.shape[-2:])
    if grid == (1, 1):
        if _in_one_call(x) and _layout(g) == _layout(x):
            shift_grad, scale_grad = (sums[:, :, None, None] for sums in _sums(g, x))
            return g, g * scale, scale_grad, shift_grad
        product = g * x
        scale_grad, shift_grad = product.sum((2, 3), keepdim=True), g.sum((2, 3), keepdim=True)
        return g, torch.mul(g, scale, out=product), scale_grad, shift_grad
    product = g * x
    scale_grad = cell_sums(product, grid)
    pixels, cells = paired(g, scale)
    torch.mul(pixels, cells, out=paired(product, scale)[0])
    return g, product, scale_grad, cell_sums(g, grid)


def add_affine_(grad: Tensor, x: Tensor, slope: Tensor | None, offset: Tensor) -> Tensor:
    """Add ``slope * x + offset`` to ``grad``, in place; see :func:`torch_code.add_affine`."""
    if slope is not None:
        grad.addcmul_(x, slope[:, None, None])
    return grad.add_(offset[:, :, None, None])


def _layout(x: Tensor) -> torch.memory_format | None:
    for layout in (torch.contiguous_format, torch.channels_last):
        if x.is_contiguous(memory_format=layout):
            return layout
    return None


def _in_one_call(x: Tensor) -> bool:
    """Return whether :func:`_sums` takes this layout, and is worth its calls."""
    layout = _layout(x)
    return layout is torch.contiguous_format or (layout is torch.channels_last
                                                 and x[0].numel() >= VALUES_PER_CALL)


def _sums(g: Tensor, x: Tensor, center: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the sums over each map of g and of ``g * (x - center)``, all ``(N, C)``, in one pass over g and x."""
    n, c, h, w = x.shape
    if x.is_contiguous():
        g, x = g.view(1, n * c, h, w), x.view(1, n * c, h, w)
        center = x.new_zeros(n * c) if center is None else center.reshape(-1)
        ones = torch.ones_like(center)
        _, products, sums = aten.native_batch_norm_backward(g, x, ones, center, ones, center, ones, True, 0.0,
                                                            [False, True, True])
        return sums.view(n, c), products.view(n, c)
    zeros, ones = x.new_zeros(c), x.new_ones(c)
    per_image = [aten.native_batch_norm_backward(g[i:i + 1], x[i:i + 1], ones, zeros, ones, zeros, ones, True, 0.0,
                                                 [False, True, True]) for i in range(n)]
    return torch.stack([sums for _, _, sums in per_image]), torch.stack([products for _, products, _ in per_image])


def _affine(x: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
    """Write ``scale * x + shift``, both ``(N, C, 1, 1)``, to ``out`` in one pass."""
    if not (x.is_contiguous() and out.is_contiguous()):
        torch.addcmul(shift, x, scale, out=out)
        return
    n, c, h, w = x.shape
    nothing, zeros, ones = x.new_empty(0), x.new_zeros(n * c), x.new_ones(n * c)
    torch.native_batch_norm(x.view(1, n * c, h, w), scale.reshape(-1), shift.reshape(-1), zeros, ones, False, 0.0, 0.0,
                            out=(out.view(1, n * c, h, w), nothing, nothing))

"""The tail for float32 and float64 on a CPU, from the library calls that pass over memory least often.

What the measurements behind this file showed (docs/benchmarks): a new full-size tensor costs page faults, so chains
run in place; torch's statistics of a batch norm in NCHW take several times as long as reading the tensor, while the
reduction inside its *backward* runs at the speed of memory, and so does the affine map of its eval mode. Both are
called here with the maps of all images as channels, which makes them sums and affine maps per image and channel. In
channels_last the same holds per image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from se_backbones.ops.cells import broadcast_views, cell_sums

if TYPE_CHECKING:
    from se_backbones.ops.residual_tail.autograd import Statistics

aten = torch.ops.aten
# Below this many values per image a call per image costs more than a second pass over them.
VALUES_PER_CALL = 1 << 18
# Where a channel's mean is this many times its deviation, x (x - mean) loses more digits than training should.
FAR_FROM_ZERO = 16


def normalise(x: Tensor, weight: Tensor | None, bias: Tensor | None, statistics: 'Statistics | None', squeeze: bool
              ) -> tuple[Tensor | None, Tensor | None, Tensor | None, tuple]:
    """Return a, b, z and what :func:`normalise_backward` needs; see :func:`naive.normalise`.

    Args:
        x: ``(N, C, H, W)``.
        weight, bias: gamma and beta.
        statistics: Of the norm, whose running ones are updated; None: no norm, so that a and b are None.
        squeeze: Whether z is wanted; else None.
    """
    if statistics is None:
        return None, None, x.mean((2, 3)), ()
    running_mean, running_var, of_batch, factor, eps = statistics
    means = x.mean((2, 3)) if of_batch or squeeze else None
    if of_batch:
        mean = means.mean(0)
        variance = _variance(x, means, mean)
        if factor is not None:
            count = x.numel() // x.shape[1]
            running_mean.mul_(1 - factor).add_(mean, alpha=factor)
            running_var.mul_(1 - factor).add_(variance, alpha=factor * count / (count - 1))
    else:
        mean, variance = running_mean, running_var
    inverse = torch.rsqrt(variance + eps)
    scale = inverse if weight is None else inverse * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    z = torch.addcmul(shift, scale, means) if squeeze else None
    return scale, shift, z, (mean, inverse, means)


def normalise_backward(x_grad: Tensor, scale_grad: Tensor | None, shift_grad: Tensor | None, z_grad: Tensor | None,
                       x: Tensor, weight: Tensor | None, bias: Tensor | None, kept: tuple,
                       statistics: 'Statistics | None') -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of x, gamma and beta; ``x_grad`` is changed in place and becomes the first."""
    pixels = x.shape[2] * x.shape[3]
    if statistics is None:
        return x_grad.add_((z_grad / pixels)[:, :, None, None]), None, None
    mean, inverse, means = kept
    if z_grad is not None:
        scale_grad = scale_grad + (means * z_grad).sum(0)
        shift_grad = shift_grad + z_grad.sum(0)
    weight_grad = (scale_grad - mean * shift_grad) * inverse
    scale = inverse if weight is None else inverse * weight
    offset = None if z_grad is None else z_grad * (scale / pixels)
    if statistics.of_batch:
        values = len(x) * pixels
        slope = scale * inverse * weight_grad * (-1 / values)
        common = -slope * mean - scale * shift_grad / values
        x_grad.addcmul_(x, slope[:, None, None])
        offset = common[None] if offset is None else offset + common
    if offset is not None:
        x_grad.add_(offset[:, :, None, None])
    return x_grad, None if weight is None else weight_grad, None if bias is None else shift_grad


def _variance(x: Tensor, means: Tensor, mean: Tensor) -> Tensor:
    """Return the biased variance of each channel ``(C,)``."""
    if x.is_contiguous():
        # sum (x - mean) x = sum (x - mean)^2 once it is summed over the batch, as sum (x - mean) is zero.
        _, squares = _sums(x, x, mean.expand_as(means))
        variance = squares.sum(0).div_(x.numel() // x.shape[1]).clamp_(min=0)
        if not bool((mean.square() > FAR_FROM_ZERO**2 * variance).any()):
            return variance
    return torch.batch_norm_update_stats(x, None, None, 0.0)[1]


def gated_sum(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor | None, shift: Tensor | None,
              relu: bool) -> Tensor:
    """Return the output; see :func:`naive.gated_sum`."""
    out = torch.empty_like(x)  # not a view of another tensor, which nobody could change in place
    if scale is None:
        pixels, gates = broadcast_views(x, gate)
        torch.mul(pixels, gates, out=broadcast_views(out, gate)[0])
    else:
        factors, terms = gate * scale[:, None, None], gate * shift[:, None, None]
        if gate[0, 0].numel() == 1:
            _affine(x, factors, terms, out)
        else:
            pixels, factors = broadcast_views(x, factors)
            torch.addcmul(broadcast_views(x, terms)[1], pixels, factors, out=broadcast_views(out, gate)[0])
    out.add_(shortcut)
    return out.relu_() if relu else out


def gated_sum_backward(grad: Tensor, out: Tensor | None, x: Tensor, gate: Tensor, scale: Tensor | None,
                       shift: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of x, gate, shortcut, a and b; ``out`` is the output where a ReLU made it, else None."""
    g = grad if out is None else aten.threshold_backward(grad, out, 0)
    factors = gate if scale is None else gate * scale[:, None, None]
    grid = tuple(gate.shape[-2:])
    if grid == (1, 1) and _in_one_call(x) and _layout(g) == _layout(x):
        sums, products = (values[:, :, None, None] for values in _sums(g, x))
        x_grad = g * factors
    else:
        x_grad = g * x
        products, sums = cell_sums(x_grad, grid), cell_sums(g, grid)
        pixels, cells = broadcast_views(g, factors)
        torch.mul(pixels, cells, out=broadcast_views(x_grad, factors)[0])
    if scale is None:
        return x_grad, products, g, None, None
    gate_grad = products * scale[:, None, None] + sums * shift[:, None, None]
    return x_grad, gate_grad, g, (products * gate).sum((0, 2, 3)), (sums * gate).sum((0, 2, 3))


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

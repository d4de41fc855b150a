"""The functions on full-size tensors that forward and backward of :mod:`autograd` call, in torch operations.

They run on any device and dtype, half-precision maps in float32, and can be differentiated again. ``cpu.py`` and
``triton_code.py`` have faster ones of the same names.
"""

import torch
from torch import Tensor

from se_backbones.ops.cells import cell_sums, spread
from se_backbones.ops.gated_residual import reference

Size = tuple[int, int]


def wide(x: Tensor) -> Tensor:
    """Return ``x`` in the precision of computations: float32 for half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def moments(x: Tensor, with_variance: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return each map's mean ``(N, C)``, their mean ``(C,)``, and each channel's biased variance ``(C,)`` or None."""
    x = wide(x)
    means = x.mean((2, 3))
    mean = means.mean(0)
    variance = (x - mean[:, None, None]).square().mean((0, 2, 3)) if with_variance else None
    return means, mean, variance


def scale_shift_add(x: Tensor, scale: Tensor, shift: Tensor | None, shortcut: Tensor, relu: bool) -> Tensor:
    """Return ``relu(scale * x + shift + shortcut)``; see :func:`reference.scale_shift_add`."""
    return reference.scale_shift_add(wide(x), scale, shift, wide(shortcut), relu).to(x.dtype)


def scale_shift_add_backward(grad: Tensor, out: Tensor | None, x: Tensor, scale: Tensor
                             ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of shortcut, x, scale and shift.

    Args:
        grad: Of the output, ``(N, C, H, W)``.
        out: The output where a ReLU made it, else None.
        x: ``(N, C, H, W)``.
        scale: ``(N, C, H', W')``.
    """
    g = grad if out is None else grad * (out > 0)
    grid = tuple(scale.shape[-2:])
    return (g, (wide(g) * spread(scale, x.shape[-2:])).to(x.dtype), cell_sums(wide(g) * wide(x), grid),
            cell_sums(wide(g), grid))


def add_affine(grad: Tensor, x: Tensor, slope: Tensor | None, offset: Tensor) -> Tensor:
    """Return ``grad + slope * x + offset``.

    Args:
        grad, x: ``(N, C, H, W)``.
        slope: ``(C,)`` or None.
        offset: ``(N, C)``.
    """
    total = wide(grad) + offset[:, :, None, None]
    if slope is not None:
        total = total + wide(x) * slope[:, None, None]
    return total.to(grad.dtype)


def add_affine_(grad: Tensor, x: Tensor, slope: Tensor | None, offset: Tensor) -> Tensor:
    """As :func:`add_affine`; may overwrite ``grad``."""
    return add_affine(grad, x, slope, offset)

"""The tail of a residual unit, ``relu(gate * norm(x) + shortcut)``, without the normalised tensor: the algebra.

The papers' Caffe code has the layer "Axpy" for ``gate * y + shortcut``. Here the norm joins in. For one image n and one
channel c let x be the H x W map that the last convolution made, m its mean, and mean and var the statistics that the
norm uses.

Forward. With ``inv = 1 / sqrt(var + eps)`` the norm is an affine map, ``y = a x + b``, ``a = gamma inv``,
``b = beta - a mean``, so

1. :func:`normalise`: the mean of y, which SE squeezes (SE paper, eq. 2), is ``z = a m + b``: one pass over x gives m,
   mean and var, and y is not needed;
2. :func:`gated_sum`: with the gate s the unit's output is again one affine map of x,
   ``out = relu(a s x + b s + shortcut)``, and s may have fewer cells than x has pixels.

Between the two stand gather and excitation, which autograd differentiates by itself.

Backward. Sums over the pixels of a cell, of the gradient ``g = grad [out > 0]``: ``G = sum g``, ``GX = sum g x``. From
:func:`gated_sum` the shortcut gets g, x gets ``a s g``, s gets ``a GX + b G``, and, summed over images and cells, a
gets ``sum s GX`` and b gets ``sum s G``. What comes back to :func:`normalise` for a, b and z, with ``M = N H W``, is

* ``da = a's + sum_n m dz`` and ``db = b's + sum_n dz``, since z is made of both,
* ``dbeta = db`` and ``dgamma = (da - mean db) inv``,
* for x, beside ``a s g``: ``k x + l`` with ``k = -a inv dgamma / M`` and ``l = a (dz / (H W) - db / M) - k mean``.

k and the terms with M are batch normalisation's (arXiv 1502.03167, section 3); a norm with running statistics has only
``l = a dz / (H W)``, and without a norm a = 1 and b = 0.

This file is the equation in torch operations, which autograd differentiates: what the other code is compared with, and
where second derivatives come from.
"""

import torch
from torch import Tensor

from se_backbones.ops.cells import upsample_nearest


def normalise(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float,
              statistics: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the affine map that a batch norm is, and the mean of what it makes of each map of ``x``.

    Args:
        x: Output of the branch's last convolution, ``(N, C, H, W)``.
        weight, bias: gamma and beta, ``(C,)``; None: 1 and 0.
        eps: Of the norm.
        statistics: Mean and variance, ``(C,)``; None: those of ``x``, the variance biased.

    Returns:
        a and b, ``(C,)``, and z, ``(N, C)``; in float32 for half precision.
    """
    x = wide(x)
    mean, variance = statistics or (x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False))
    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return scale, shift, scale * x.mean((2, 3)) + shift


def gated_sum(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor | None, shift: Tensor | None,
              relu: bool) -> Tensor:
    """Return ``relu(gate * (scale * x + shift) + shortcut)``, ``(N, C, H, W)``, in the dtype of x.

    Args:
        x, shortcut: ``(N, C, H, W)``.
        gate: ``(N, C, H', W')``, indexed by nearest neighbour as in :func:`se_backbones.ops.gated_scale`.
        scale, shift: a and b, ``(C,)``; None: no norm.
        relu: Whether a ReLU follows the sum.
    """
    y = wide(x)
    if scale is not None:
        y = y * scale[:, None, None] + shift[:, None, None]
    out = y * upsample_nearest(wide(gate), x.shape[-2:]) + wide(shortcut)
    return (torch.relu(out) if relu else out).to(x.dtype)


def wide(x: Tensor) -> Tensor:
    """Return ``x`` in the precision of computations: float32 for half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x

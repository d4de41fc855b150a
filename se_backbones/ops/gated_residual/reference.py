"""The end of a residual unit, ``relu(gate * norm(x) + shortcut)``, without the normalised tensor: the algebra.

The papers' Caffe code has the layer "Axpy" for ``gate * y + shortcut``. Here the norm joins in. For one image n and one
channel c let x be the H x W map that the last convolution made, and mean and var the statistics that the norm uses.

Forward. The norm is an affine map, ``y = a x + b`` with ``a = gamma / sqrt(var + eps)`` and ``b = beta - a mean``, so

1. the mean of y, which SE squeezes (SE paper, eq. 2), is ``a m + b`` with the image's own mean m of x: one pass over x
   gives m, mean and var, and y is not needed;
2. with the gate s the unit's output is again one affine map of x: ``out = relu(A x + B + shortcut)``, ``A = a s``,
   ``B = b s``. Where the gate has H' x W' cells, A and B have too.

So a unit is two functions of full-size tensors, :func:`moments` and :func:`gated_residual`, and between them only
tensors of (N, C) or (N, C, H', W') values, whose gradients autograd finds by itself (gamma, beta, the excitation).

Backward. With ``g = grad * (out > 0)``:

* of :func:`gated_residual`: the shortcut gets g, x gets ``A g``; A gets ``sum g x`` and B gets ``sum g``, summed over
  the cell of the gate, and so s gets ``a sum g x + b sum g``;
* of :func:`moments`, with M = N H W: ``d m / d x = 1 / (H W)`` and ``d var / d x = 2 (x - mean) / M``, so that what
  comes back through m and var adds ``k x + l`` to the gradient of x, with k per channel and l per image and channel.

Summed up, these are batch normalisation's two correction terms and SE's gradient: for s = 1 and no gate they are the
formulas of the batch normalisation paper (arXiv 1502.03167, section 3). x and out are all that backward needs, and both
exist in a plain network too. A frozen norm is the same with constant a and b; without a norm a = 1 and b = 0.

This file is the slow truth that the other code is compared with, in torch operations that autograd differentiates.
"""

import torch
from torch import Tensor

from se_backbones.ops.cells import spread


def gated_residual(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor | None = None, shift: Tensor | None = None,
                   relu: bool = True) -> Tensor:
    """Return ``relu(gate * (scale * x + shift) + shortcut)``, ``(N, C, H, W)``.

    Args:
        x: Output of the branch's last convolution, ``(N, C, H, W)``.
        gate: ``(N, C, H', W')``, indexed by nearest neighbour as in :func:`se_backbones.ops.gated_scale`.
        shortcut: ``(N, C, H, W)``.
        scale, shift: The norm as an affine map, ``(C,)``; None: no norm.
        relu: Whether a ReLU follows the sum.
    """
    y = x if scale is None else x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)
    out = y * spread(gate, x.shape[-2:]) + shortcut
    return torch.relu(out) if relu else out


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image's mean ``(N, C)`` and the batch's biased variance ``(C,)`` of ``x`` ``(N, C, H, W)``."""
    return x.mean((2, 3)), x.var((0, 2, 3), unbiased=False)


def scale_shift_add(x: Tensor, scale: Tensor, shift: Tensor | None, shortcut: Tensor, relu: bool) -> Tensor:
    """Return ``relu(scale * x + shift + shortcut)``, ``(N, C, H, W)``.

    Args:
        x, shortcut: ``(N, C, H, W)``.
        scale, shift: ``(N, C, H', W')``, indexed by nearest neighbour; a shift of None is zero.
        relu: Whether a ReLU follows.
    """
    out = x * spread(scale, x.shape[-2:]) + shortcut
    if shift is not None:
        out = out + spread(shift, x.shape[-2:])
    return torch.relu(out) if relu else out

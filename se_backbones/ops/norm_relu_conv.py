"""``conv(relu(norm(x)))`` for training, keeping x alone: the map between norm and convolution is made twice.

A plain network keeps two maps there, the norm's input and the convolution's. The second one is an affine map and a ReLU
of the first one, which cost two passes over memory to make anew (the idea of in-place activated batch norm, arXiv
1712.02616). What it costs comes back in the forward pass: torch takes the statistics of a contiguous batch on a CPU
several times as slowly as it reads it, :func:`se_backbones.ops.gated_residual.cpu.moments` does not.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

aten = torch.ops.aten


class Geometry(NamedTuple):
    """Of a convolution."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def norm_relu_conv(x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor, eps: float,
                   of_batch: bool, weight: Tensor, geometry: Geometry) -> Tensor:
    """Return the convolution of ``relu((x - mean) / sqrt(variance + eps) * gamma + beta)``; float32 or float64, CPU.

    Args:
        x: ``(N, C, H, W)``.
        gamma, beta: ``(C,)`` or None.
        mean, variance: ``(C,)``, of the batch or running ones; gradients reach x through those of the batch.
        eps: Of the norm.
        of_batch: Whether they are of the batch.
        weight: ``(C', C / groups, h, w)``.
        geometry: Of the convolution.
    """
    return _NormReluConv.apply(x, gamma, beta, weight, mean, variance, eps, of_batch, geometry)


class _NormReluConv(Function):

    @staticmethod
    def forward(ctx, x, gamma, beta, weight, mean, variance, eps, of_batch, geometry):
        ctx.save_for_backward(x, gamma, beta, weight, mean, variance)
        ctx.eps, ctx.of_batch, ctx.geometry = eps, of_batch, geometry
        y = _norm_relu(x, gamma, beta, mean, variance, eps)
        return torch.convolution(y, weight, None, *geometry[:3], False, (0, 0), geometry.groups)

    @staticmethod
    def backward(ctx, grad):
        x, gamma, beta, weight, mean, variance = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:4]
        if torch.is_grad_enabled():
            return *_differentiable(grad, ctx, wanted), *[None] * 5
        y = _norm_relu(x, gamma, beta, mean, variance, ctx.eps)
        y_grad, weight_grad, _ = aten.convolution_backward(grad, y, weight, None, *ctx.geometry[:3], False, (0, 0),
                                                           ctx.geometry.groups, (any(wanted[:3]), wanted[3], False))
        if y_grad is None:
            return None, None, None, weight_grad, *[None] * 5
        # Into y's memory, which nobody else has.
        aten.threshold_backward.grad_input(y_grad, y, 0, grad_input=y)
        grads = aten.native_batch_norm_backward(
            y, x, gamma, mean, variance, mean, torch.rsqrt(variance + ctx.eps), ctx.of_batch, ctx.eps,
            (wanted[0], wanted[1], wanted[2]))
        needed = [value if asked else None for value, asked in zip(grads, wanted[:3], strict=True)]
        return *needed, weight_grad, *[None] * 5


def _norm_relu(x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
               eps: float) -> Tensor:
    """Return the convolution's input, ``(N, C, H, W)``."""
    if x.is_contiguous():
        return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, eps).relu_()
    scale = torch.rsqrt(variance + eps)
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    return torch.addcmul(shift[:, None, None], x, scale[:, None, None]).relu_()


def _differentiable(grad: Tensor, ctx, wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """Return the gradients as functions of the inputs, for second derivatives."""
    x, gamma, beta, weight, mean, variance = ctx.saved_tensors
    statistics = (None, None) if ctx.of_batch else (mean, variance)
    y = F.relu(F.batch_norm(x, *statistics, gamma, beta, ctx.of_batch, 0.0, ctx.eps))
    out = torch.convolution(y, weight, None, *ctx.geometry[:3], False, (0, 0), ctx.geometry.groups)
    inputs = [value for value, needed in zip((x, gamma, beta, weight), wanted, strict=True) if needed]
    grads = iter(torch.autograd.grad(out, inputs, grad, create_graph=True))
    return [next(grads) if needed else None for needed in wanted]

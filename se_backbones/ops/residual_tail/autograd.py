"""The two differentiable functions of the fused tail, between which gather and excitation stand; algebra: ``naive.py``.

They are two, not one, so that everything between them is ordinary autograd: hooks, losses on gates, checkpointing and
``functional_call`` work there as anywhere.
"""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function

from se_backbones.ops.residual_tail import naive


class AffineFeatures(NamedTuple):
    """``y = scale * x + shift``, ``(N, C, H, W)``: what a norm would make of ``x``, which is not built.

    Attributes:
        x: ``(N, C, H, W)``.
        scale, shift: ``(C,)``, in float32 for half-precision ``x``; both None where y is x.
        squeeze: The mean of each map of y, ``(N, C)``, in x's dtype, for gathers that have ``needs_squeeze``; else
            None.
    """

    x: Tensor
    scale: Tensor | None
    shift: Tensor | None
    squeeze: Tensor | None = None

    def applied(self, gathered: Tensor) -> Tensor:
        """Return the affine map of what a mean-preserving gather made of x, ``(N, C, H', W')``, in x's dtype."""
        if self.scale is not None:
            gathered = gathered * self.scale[:, None, None] + self.shift[:, None, None]
        return gathered.to(self.x.dtype)


class Statistics(NamedTuple):
    """Where a batch norm takes mean and variance from, and what it does to its running ones.

    Attributes:
        running_mean, running_var: ``(C,)``, or None.
        of_batch: Whether the norm uses those of the batch.
        factor: Share of the batch in the updated running statistics; None: they stay.
        eps: Of the norm.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    of_batch: bool
    factor: float | None
    eps: float


def normalise(code: ModuleType, x: Tensor, norm: nn.BatchNorm2d | None, squeeze: bool) -> AffineFeatures:
    """Return what ``norm`` would make of ``x``, and update its running statistics as it would.

    Args:
        code: ``cpu.py`` or ``triton.py``.
        x: ``(N, C, H, W)``.
        norm: None: no norm.
        squeeze: Whether the means of the normalised maps are wanted.
    """
    if norm is None:
        if not squeeze:
            return AffineFeatures(x, None, None)
        return AffineFeatures(*_Normalise.apply(x, None, None, None, True, code))
    return AffineFeatures(*_Normalise.apply(x, norm.weight, norm.bias, _statistics(norm), squeeze, code))


def gated_sum(code: ModuleType, features: AffineFeatures, gate: Tensor, shortcut: Tensor, relu: bool) -> Tensor:
    """Return ``relu(gate * y + shortcut)``, ``(N, C, H, W)``, in the dtype and memory format of ``features.x``.

    Args:
        code: ``cpu.py`` or ``triton.py``.
        features: y.
        gate: ``(N, C, H', W')``, indexed by nearest neighbour.
        shortcut: ``(N, C, H, W)``, in the dtype of ``features.x``.
        relu: Whether a ReLU follows.
    """
    return _GatedSum.apply(features.x, gate, shortcut, features.scale, features.shift, relu, code)


def _statistics(norm: nn.BatchNorm2d) -> Statistics:
    """Return what the norm does in this call, as :class:`torch.nn.BatchNorm2d` decides it; it counts the batch."""
    of_batch = norm.training or (norm.running_mean is None and norm.running_var is None)
    factor = None
    if norm.training and norm.track_running_stats:
        factor = norm.momentum
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
            if factor is None:
                factor = 1.0 / float(norm.num_batches_tracked)
        factor = factor or 0.0
    return Statistics(norm.running_mean, norm.running_var, of_batch, factor, norm.eps)


class _Normalise(Function):
    """``x`` to (an alias of x, a, b, z); a and b are None without a norm, z where it is not wanted.

    What follows uses the alias in the place of x. So the gradients of all of x's uses meet here, where the terms of
    statistics and squeeze are added to them in place.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, statistics, squeeze, code):
        scale, shift, z, kept = code.normalise(x, weight, bias, statistics, squeeze)
        ctx.code, ctx.statistics = code, statistics
        ctx.save_for_backward(x, weight, bias, *kept)
        return x.view_as(x), scale, shift, z

    @staticmethod
    def backward(ctx, *grads):
        x, weight, bias, *kept = ctx.saved_tensors
        if not _of_second_order(*grads):
            return *ctx.code.normalise_backward(*grads, x, weight, bias, kept, ctx.statistics), None, None, None

        def equation(x, weight, bias):
            if ctx.statistics is None:
                return x.view_as(x), None, None, naive.wide(x).mean((2, 3)).to(x.dtype)
            of_batch, running = ctx.statistics.of_batch, ctx.statistics[:2]
            scale, shift, z = naive.normalise(x, weight, bias, ctx.statistics.eps, None if of_batch else running)
            return x.view_as(x), scale, shift, z.to(x.dtype)
        return *_gradients(equation, (x, weight, bias), grads), None, None, None


class _GatedSum(Function):
    """It keeps x, the gate and the output for backward. The products of gate and norm are made anew."""

    @staticmethod
    def forward(ctx, x, gate, shortcut, scale, shift, relu, code):
        out = code.gated_sum(x, gate, shortcut, scale, shift, relu)
        ctx.code = code
        ctx.save_for_backward(x, gate, scale, shift, out if relu else None)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, gate, scale, shift, out = ctx.saved_tensors
        if not _of_second_order(grad):
            return *ctx.code.gated_sum_backward(grad, out, x, gate, scale, shift), None, None
        g = grad if out is None else grad * (out > 0)

        def equation(x, gate, scale, shift):
            return naive.gated_sum(x, gate, x.new_zeros(()), scale, shift, relu=False),
        x_grad, gate_grad, scale_grad, shift_grad = _gradients(equation, (x, gate, scale, shift), (g,))
        return x_grad, gate_grad, g, scale_grad, shift_grad, None, None


def _of_second_order(*grads: Tensor | None) -> bool:
    """Return whether backward is differentiated again, or vectorised over many gradients (``is_grads_batched``)."""
    return torch.is_grad_enabled() or any(grad is not None and not torch._C._has_storage(grad)
                                          for grad in grads)


def _gradients(equation: Callable[..., tuple], inputs: tuple, grads: tuple) -> list[Tensor | None]:
    """Return the gradients of the inputs, which can be differentiated again where backward is."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Aliases: the gate depends on x, but not in this function.
        inputs = [value if value is None else value.view_as(value) for value in inputs]
        wanted = [value for value in inputs if value is not None and value.requires_grad]
        pairs = [(out, grad) for out, grad in zip(equation(*inputs), grads, strict=True)
                 if grad is not None and out.requires_grad]
        found = iter(torch.autograd.grad([out for out, _ in pairs], wanted, [grad for _, grad in pairs],
                                         create_graph=again, allow_unused=True))
    return [next(found) if value is not None and value.requires_grad else None for value in inputs]

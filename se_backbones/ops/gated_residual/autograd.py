"""The two differentiable functions of the fused tail; the algebra is in ``reference.py``."""

from types import ModuleType

import torch
from torch import Tensor
from torch.autograd import Function

from se_backbones.ops.dispatch import code_for
from se_backbones.ops.gated_residual import cpu, torch_code


def _code(name: str) -> ModuleType:
    if name == 'triton':
        from se_backbones.ops.gated_residual import triton_code
        return triton_code
    return {'cpu': cpu, 'torch': torch_code}[name]


def _module_for(x: Tensor) -> ModuleType:
    return _code(code_for(x) or 'torch')


class _Moments(Function):
    """``x`` to (an alias of x, the mean of each map, the variance of each channel or None).

    What follows uses the alias in the place of x. So the gradients of all of x's uses meet here, where the terms of
    mean and variance are added to them in place.
    """

    @staticmethod
    def forward(ctx, x, with_variance):
        code = _module_for(x)
        means, mean, variance = code.moments(x, with_variance)
        ctx.code = code
        ctx.save_for_backward(x, mean if with_variance else None)
        return x.view_as(x), means, variance

    @staticmethod
    def backward(ctx, grad, grad_means, grad_variance):
        x, mean = ctx.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        offset = grad_means / pixels
        slope = None
        if grad_variance is not None:
            slope = grad_variance * (2 / (len(x) * pixels))
            offset = offset - slope * mean
        if not torch.is_grad_enabled():
            return ctx.code.add_affine_(grad, x, slope, offset), None
        if slope is not None:
            # To be differentiated again: the mean as a function of x.
            offset = grad_means / pixels - slope * torch_code.moments(x, False)[1]
        return torch_code.add_affine(grad, x, slope, offset), None


class _GatedResidual(Function):
    """``relu(gate * (scale * x + shift) + shortcut)``.

    It keeps x, the gate and the output for backward. The products of gate and norm are made anew.
    """

    @staticmethod
    def forward(ctx, x, gate, shortcut, scale, shift, relu):
        ctx.code = _module_for(x)
        factors, terms = _factors_and_terms(gate, scale, shift)
        out = ctx.code.scale_shift_add(x, factors, terms, shortcut, relu)
        ctx.save_for_backward(x, gate, scale, shift, out if relu else None)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, gate, scale, shift, out = ctx.saved_tensors
        code = torch_code if torch.is_grad_enabled() else ctx.code
        factors, _ = _factors_and_terms(gate, scale, shift)
        shortcut_grad, x_grad, factor_grad, term_grad = code.scale_shift_add_backward(grad, out, x, factors)
        if scale is None:
            return x_grad, factor_grad.to(gate.dtype), shortcut_grad, None, None, None
        gate_grad = factor_grad * scale[:, None, None] + term_grad * shift[:, None, None]
        scale_grad = (factor_grad * gate).sum((0, 2, 3)) if ctx.needs_input_grad[3] else None
        shift_grad = (term_grad * gate).sum((0, 2, 3)) if ctx.needs_input_grad[4] else None
        return x_grad, gate_grad.to(gate.dtype), shortcut_grad, scale_grad, shift_grad, None


def _factors_and_terms(gate: Tensor, scale: Tensor | None, shift: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return the factor of x and the term beside it in each cell, both ``(N, C, H', W')``."""
    gate = torch_code.wide(gate)
    if scale is None:
        return gate, None
    return gate * scale[:, None, None], gate * shift[:, None, None]


def moments(x: Tensor, with_variance: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return x, the mean of each of its maps and the biased variance of each channel.

    Args:
        x: ``(N, C, H, W)``.
        with_variance: Whether the variance is wanted.

    Returns:
        An alias of ``x`` to be used in its place; ``(N, C)``; ``(C,)`` or None. The last two in float32 for half
        precision.
    """
    return _Moments.apply(x, with_variance)


def gated_residual(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor | None = None, shift: Tensor | None = None,
                   relu: bool = True) -> Tensor:
    """Return ``relu(gate * (scale * x + shift) + shortcut)``, ``(N, C, H, W)``, in the dtype and memory format of x.

    Args:
        x, shortcut: ``(N, C, H, W)``, of one dtype.
        gate: ``(N, C, H', W')``, indexed by nearest neighbour.
        scale, shift: The norm as an affine map, ``(C,)``, in float32 for half-precision maps; None: no norm.
        relu: Whether a ReLU follows.
    """
    return _GatedResidual.apply(x, gate, shortcut, scale, shift, relu)

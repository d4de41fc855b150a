"""The end of a residual unit with an operator in its ``standard`` slot, without the normalised tensor.

The functions on full-size tensors are in :mod:`se_backbones.ops.gated_residual`, with the algebra. Here is when they
apply, and the norm and the operator between them. Everything else runs as it is written in ``residual.py``.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from se_backbones.operators.affine import AffineFeatures
from se_backbones.ops import dispatch
from se_backbones.ops.gated_residual import gated_residual, moments

if TYPE_CHECKING:
    from se_backbones.backbones.residual import ResidualUnit

NORMS = (nn.BatchNorm2d, nn.Identity)


def may_fuse(unit: 'ResidualUnit') -> bool:
    """Return whether the unit, as it is set up, is of the kind whose end can be fused.

    It is not where something stands between norm, gate and sum, where someone looks at the tensors that would not exist
    (hooks), where another program takes the operations down (tracing, export, compilers: these see the plain
    operations, and fuse them by themselves) and where derivatives are taken in another way (forward mode, torch.func).
    """
    if _is_traced() or 'standard' not in unit.context:
        return False
    operator = unit.context['standard']
    # An operator of someone else's may be any module.
    return (getattr(operator, 'takes_affine', False) and dispatch.choice() != 'plain'
            and unit.residual_scale == 1 and type(unit.drop_path) is nn.Identity
            and type(unit.activation) in (nn.ReLU, nn.Identity) and unit.sums
            and not _is_watched(unit, operator))


def finish(unit: 'ResidualUnit', x: Tensor, norm: nn.Module | None, shortcut: Tensor) -> Tensor:
    """Return ``activation(operator(norm(x)) + shortcut)``, ``(N, C, H, W)``.

    Args:
        unit: One that :func:`may_fuse`.
        x: The branch, before its last norm where it ends with one.
        norm: This norm, or None.
        shortcut: What is added.
    """
    operator = unit.context['standard']
    if not _fits(x, norm, shortcut):
        y = x if norm is None else norm(x)
        return unit.activation(unit.combine(operator(y), shortcut))
    features = normalised(x, norm, operator.gather.needs_means)
    gate = operator.gate_of_affine(features)
    return gated_residual(features.x, gate, shortcut, features.scale, features.shift,
                          relu=type(unit.activation) is nn.ReLU, reuse=_is_free(unit, features.x))


def _is_free(unit: 'ResidualUnit', x: Tensor) -> bool:
    """Return whether the branch's last tensor is read by nobody else: not by autograd, not by a hook that got it."""
    return not torch.is_grad_enabled() and not any(module._forward_hooks for module in unit.modules())


def normalised(x: Tensor, norm: nn.Module | None, with_means: bool) -> AffineFeatures:
    """Return what ``norm`` would make of ``x``, and update its running statistics as it would.

    Args:
        x: ``(N, C, H, W)``.
        norm: A :class:`torch.nn.BatchNorm2d`, or None or Identity: no norm.
        with_means: Whether to return the means.
    """
    if norm is None or type(norm) is nn.Identity:
        if not with_means:
            return AffineFeatures(x, None, None)
        x, means, _ = moments(x, with_variance=False)
        return AffineFeatures(x, None, None, means)
    if uses_batch_statistics(norm):
        x, means, variance = moments(x, with_variance=True)
        mean = means.mean(0)
        if norm.training and norm.track_running_stats:
            _update_running_statistics(norm, mean, variance, x.numel() // x.shape[1])
    else:
        mean, variance = norm.running_mean, norm.running_var
        if with_means:
            x, means, _ = moments(x, with_variance=False)
        else:
            means = None
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
    return AffineFeatures(x, scale, shift, means if with_means else None)


def uses_batch_statistics(norm: nn.BatchNorm2d) -> bool:
    """Return whether the norm takes mean and variance from what it sees, as :class:`torch.nn.BatchNorm2d` decides."""
    return norm.training or (norm.running_mean is None and norm.running_var is None)


@torch.no_grad()
def _update_running_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update as torch does: the unbiased variance, and for ``momentum=None`` the mean over all batches so far."""
    factor = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if factor is None:
            factor = 1.0 / float(norm.num_batches_tracked)
    factor = factor or 0.0
    norm.running_mean.mul_(1 - factor).add_(mean, alpha=factor)
    norm.running_var.mul_(1 - factor).add_(variance * (count / (count - 1)), alpha=factor)


def _fits(x: Tensor, norm: nn.Module | None, shortcut: Tensor) -> bool:
    """Return whether there is code for these tensors."""
    if dispatch.code_for(x) is None or type(shortcut) is not Tensor or shortcut.dtype != x.dtype:
        return False
    if shortcut.shape != x.shape or shortcut.device != x.device:
        return False
    if norm is None or type(norm) is nn.Identity:
        return True
    # Torch raises where a norm would see one value per channel.
    return type(norm) is nn.BatchNorm2d and not (uses_batch_statistics(norm) and x.numel() == x.shape[1])


# Hooks of all modules at once; torch asks for them in a function whose name has changed between its releases.
_GLOBAL_HOOKS = ('_global_forward_hooks', '_global_forward_pre_hooks', '_global_backward_hooks',
                 '_global_backward_pre_hooks')


def _is_watched(unit: 'ResidualUnit', operator: nn.Module) -> bool:
    """Return whether a hook would miss a call: of the operator or its parts, the norms, the activation."""
    return any(getattr(torch_module, hooks) for hooks in _GLOBAL_HOOKS) or any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
        for module in _passed_over(unit, operator))


def _passed_over(unit: 'ResidualUnit', operator: nn.Module) -> Iterator[nn.Module]:
    yield from operator.modules()
    yield unit.activation
    yield unit.drop_path
    if unit.closing_norm is not None:
        yield unit.closing_norm


def _is_traced() -> bool:
    return (torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.jit.is_scripting()
            or torch.onnx.is_in_onnx_export() or torch.autograd.forward_ad._current_level >= 0
            or torch._C._functorch.peek_interpreter_stack() is not None)

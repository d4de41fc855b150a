"""The end of a residual unit with an operator in its ``standard`` slot, without the normalised tensor.

The functions on full-size tensors are in :mod:`se_backbones.ops.gated_residual`, with the algebra. Here is when they
apply, and the norm and the operator between them. Everything else runs as it is written in ``units.py``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from se_backbones.models.operators.affine import AffineFeatures
from se_backbones.models.tail import exact, in_place, tracing
from se_backbones.models.tail.norm_state import sees_one_value, update_running_statistics, uses_batch_statistics
from se_backbones.ops import dispatch
from se_backbones.ops.gated_residual import gated_residual, moments

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit

Finish = Callable[['ResidualUnit', Tensor, nn.Module | None, Tensor], Tensor]


def choose(unit: 'ResidualUnit', x: Tensor) -> Finish | None:
    """Return what ends the unit for an input ``x`` ``(N, C, H, W)``: :func:`finish` or :func:`in_place.finish`.

    It is None, and the unit runs as it is written, where :mod:`exact` has a reason, where another program takes the
    operations down (tracing, export, compilers: these see the plain operations, and fuse them by themselves) and where
    derivatives are taken in another way (forward mode, torch.func).
    """
    if 'standard' not in unit.context or tracing.is_traced() or dispatch.choice() == 'plain':
        return None
    in_memory = not torch.is_grad_enabled() and type(x) is Tensor and x.device.type == 'cpu' and x.numel() > 0
    if in_memory and exact.why_not_in_place(unit) is None:
        return in_place.finish
    reason = exact.why_not_fused(unit)
    if reason is None:
        return finish
    exact.tell(type(unit).__name__, reason)
    return None


def finish(unit: 'ResidualUnit', x: Tensor, norm: nn.Module | None, shortcut: Tensor) -> Tensor:
    """Return ``activation(operator(norm(x)) + shortcut)``, ``(N, C, H, W)``.

    Args:
        unit: One for which this was chosen.
        x: The branch, before its last norm where it ends with one.
        norm: This norm, or None.
        shortcut: What is added.
    """
    operator = unit.context['standard']
    if not _fits(x, norm, shortcut, dispatch.LARGE_ENOUGH):
        y = x if norm is None else norm(x)
        return unit.activation(unit.combine(operator(y), shortcut))
    features = normalised(x, norm, operator.gather.needs_means)
    gate = operator.gate_of_affine(features)
    return gated_residual(features.x, gate, shortcut, features.scale, features.shift,
                          relu=type(unit.activation) is nn.ReLU)


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
        update_running_statistics(norm, mean, variance, x)
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


def _fits(x: Tensor, norm: nn.Module | None, shortcut: Tensor, least: int) -> bool:
    """Return whether there is code for these tensors that is worth its calls."""
    if dispatch.code_for(x, least) is None or type(shortcut) is not Tensor or shortcut.dtype != x.dtype:
        return False
    if shortcut.shape != x.shape or shortcut.device != x.device:
        return False
    if norm is None or type(norm) is nn.Identity:
        return True
    return type(norm) is nn.BatchNorm2d and not sees_one_value(norm, x)

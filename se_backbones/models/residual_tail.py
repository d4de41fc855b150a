"""The tail of a residual unit with an operator in its ``standard`` slot: fused where that is the same, else plain.

The functions on full-size tensors are in :mod:`se_backbones.ops.residual_tail`, with the algebra. Nothing that exists
is overwritten, and without an operator, or where :mod:`se_backbones.models.exact` has a reason, the unit runs as it
says.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from se_backbones.models import exact
from se_backbones.ops.residual_tail import code_for, gated_sum, normalise

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit


def residual_tail(unit: 'ResidualUnit', x: Tensor, shortcut: Tensor) -> Tensor:
    """Return ``unit.written_tail(x, shortcut)``, ``activation(operator(norm(x)) + shortcut)``, ``(N, C, H, W)``.

    Args:
        unit: Its operator, closing norm and activation are used.
        x: The branch before this norm.
        shortcut: What is added.
    """
    if 'standard' not in unit.context or _is_traced():
        return unit.written_tail(x, shortcut)
    code, norm = code_for(unit.tail, x), unit.closing_norm
    if code is None or not _fits(x, norm, shortcut):
        return unit.written_tail(x, shortcut)
    if reason := exact.why_not_fused(unit, norm):
        exact.tell(type(unit).__name__, reason)
        return unit.written_tail(x, shortcut)
    operator = unit.context['standard']
    norm = None if type(norm) is nn.Identity else norm  # folded into the convolution before it
    features = normalise(code, x, norm, operator.gather.needs_squeeze)
    gate = operator.gate_of_affine(features)
    return gated_sum(code, features, gate, shortcut, relu=type(unit.activation) is nn.ReLU)


def _fits(x: Tensor, norm: nn.Module | None, shortcut: Tensor) -> bool:
    """Return whether the tensors are of one kind, and torch's norm would not refuse x: one value for each channel."""
    if type(shortcut) is not Tensor or shortcut.dtype != x.dtype or shortcut.shape != x.shape or (
            shortcut.device != x.device):
        return False
    return norm is None or not norm.training or x.numel() > x.shape[1]


def _is_traced() -> bool:
    """Return whether another program records the operations (tracing, export, compilers) or derives in another way.

    Compilers see the plain operations, and fuse them by themselves; forward mode and torch.func differentiate them.
    """
    return (torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.jit.is_scripting()
            or torch.onnx.is_in_onnx_export() or torch.autograd.forward_ad._current_level >= 0
            or torch._C._functorch.peek_interpreter_stack() is not None)

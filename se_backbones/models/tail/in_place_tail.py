"""The end of a residual unit in inference on a CPU: norm, gate, sum and ReLU in the memory of the branch's last map.

No function of ours passes over memory less often than these library calls do where nothing is kept for backward: the
norm in place, the operator's own gate, and one ``addcmul`` for product and sum. They also have next to no calls of
their own, which is what counts for one image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from se_backbones.models.operators import ContextOperator
from se_backbones.models.tail import tracing
from se_backbones.models.tail.norm_state import uses_batch_statistics
from se_backbones.ops.cells import paired

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit


def may_run(unit: 'ResidualUnit', operator: nn.Module, x: Tensor) -> bool:
    """Return whether autograd is off, the unit's input ``x`` is on a CPU, and nobody looks at what is overwritten."""
    return (not torch.is_grad_enabled() and x.device.type == 'cpu' and type(x) is Tensor and x.numel() > 0
            and isinstance(operator, ContextOperator) and not unit.plugin_names()
            and not tracing.is_watched((operator, *operator.children(), *unit.children())))


def finish(unit: 'ResidualUnit', x: Tensor, norm: nn.Module | None, shortcut: Tensor) -> Tensor:
    """Return ``activation(operator(norm(x)) + shortcut)``, ``(N, C, H, W)``; overwrites ``x``.

    Args:
        unit: One that :func:`may_run`.
        x: The branch, before its last norm where it ends with one.
        norm: This norm, or None.
        shortcut: What is added.
    """
    y = x if norm is None else normed_in_place(norm, x)
    gate = unit.context['standard'].gate(y)
    if shortcut.dtype != y.dtype or shortcut.shape != y.shape or gate.dtype != y.dtype:
        pixels, cells = paired(y, gate)
        return unit.activation(unit.combine((pixels * cells).reshape(y.shape), shortcut))
    if gate.shape[-2:] == (1, 1):
        torch.addcmul(shortcut, y, gate, out=y)
    else:
        pixels, cells = paired(y, gate)
        pixels.mul_(cells)
        y.add_(shortcut)
    return y.relu_() if type(unit.activation) is nn.ReLU else y


def normed_in_place(norm: nn.Module, x: Tensor) -> Tensor:
    """Return ``norm(x)``, in the memory of ``x`` where the norm is a batch norm with running statistics."""
    if type(norm) is not nn.BatchNorm2d or uses_batch_statistics(norm) or norm.running_var.dtype != x.dtype:
        return norm(x)
    nothing = x.new_empty(0)
    return torch.native_batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, False, 0.0, norm.eps,
                                   out=(x, nothing, nothing))[0]

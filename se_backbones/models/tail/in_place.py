"""The end of a residual unit without autograd, in the memory of the tensor that its own batch norm has just made.

Nobody else has seen this tensor, so gate, sum and ReLU may overwrite it: fewer passes over memory, no new tensors.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from se_backbones.ops import gated_scale
from se_backbones.ops.cells import paired

if TYPE_CHECKING:
    from se_backbones.models.units import ResidualUnit


def finish(unit: 'ResidualUnit', x: Tensor, norm: nn.BatchNorm2d, shortcut: Tensor) -> Tensor:
    """Return ``activation(operator(norm(x)) + shortcut)``, ``(N, C, H, W)``.

    Args:
        unit: One for which :func:`se_backbones.models.tail.exact.why_not_in_place` has no reason.
        x: The branch before its last norm.
        norm: This norm.
        shortcut: What is added.
    """
    y = norm(x)
    gate = unit.context['standard'].gate(y)
    if type(y) is not Tensor or type(shortcut) is not Tensor or not y.dtype == gate.dtype == shortcut.dtype or (
            y.shape != shortcut.shape):
        return unit.activation(unit.combine(gated_scale(y, gate), shortcut))
    if gate.shape[-2:] == (1, 1):
        torch.addcmul(shortcut, y, gate, out=y)
    else:
        pixels, cells = paired(y, gate)
        pixels.mul_(cells)
        y.add_(shortcut)
    return y.relu_() if type(unit.activation) is nn.ReLU else y

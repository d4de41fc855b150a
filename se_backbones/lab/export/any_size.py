"""Operators in a form that exporters can write for images of any size."""

import copy

from torch import Tensor, nn

from se_backbones.models.operators import ContextOperator
from se_backbones.models.operators.gather import DepthwiseGather, FullMapGather, LocalAveragePool
from se_backbones.ops.cells import cell_index


class AnySize(nn.Module):
    """An operator of local extent, without a branch that depends on the size of the map.

    ``gated_scale`` takes a shorter way where cells divide the map evenly. An exporter would write that way, or the
    other one, after the size of its example, and the file would fail for other sizes.
    """

    def __init__(self, operator: ContextOperator):
        super().__init__()
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        gate = self.operator.gate(x)
        for axis in (2, 3):
            gate = gate.index_select(axis, cell_index(gate.shape[axis], x.shape[axis], gate.device))
        return x * gate


def for_any_size(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` whose operators of local extent take maps of any size when exported."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, ContextOperator) and isinstance(child.gather, (DepthwiseGather, LocalAveragePool)):
                setattr(module, name, AnySize(child))
    return model


def fixed_size_reason(model: nn.Module) -> str | None:
    """Return why the model takes images of one size only, or None if it takes any."""
    if any(isinstance(module, FullMapGather) for module in model.modules()):
        return 'GatherExcite with extent="global" and parameters owns kernels of the size of its maps'
    return None

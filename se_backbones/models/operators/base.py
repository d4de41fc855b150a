"""What SE and GE have in common: gather context, turn it into a gate, multiply the features by it."""

import torch
import torch.fx
from mmengine.model import BaseModule
from torch import Tensor, nn

from se_backbones.ops import gated_scale
from se_backbones.ops.residual_tail import AffineFeatures

# To torch.fx it is one operation: which way it goes depends on the size of the map.
torch.fx.wrap('gated_scale')


def double_sigmoid(x: Tensor) -> Tensor:
    """Return ``2 * sigmoid(x)``: exactly 1 at 0, so that an operator whose logits start at 0 changes nothing."""
    return 2 * torch.sigmoid(x)


GATES = {'sigmoid': torch.sigmoid, 'tanh': torch.tanh, 'relu': torch.relu, 'double_sigmoid': double_sigmoid}


class ContextOperator(BaseModule):
    """``y = x * gate(x)``, ``gate(x) = sigma(excite(gather(x)))``; input and output ``(N, C, H, W)``.

    Works wherever a module takes ``in_channels`` and keeps the shape: in our units' slots and as an mmcv plugin layer
    (``plugins=[dict(cfg=dict(type='se_backbones.SqueezeExcite'), position='after_conv3')]`` in a stock mmdet ResNet).

    Args:
        in_channels: C.
        gather: Module ``(N, C, H, W) -> (N, C, H', W')``.
        excite: Module ``(N, C, H', W') -> (N, C, H', W')``, or None.
        gate: Name of sigma: ``'sigmoid'``, ``'tanh'``, ``'relu'``, or ``'double_sigmoid'``, twice the sigmoid, whose
            logit layer starts at zero: a gate of exactly 1.
    """

    def __init__(self, in_channels: int, gather: nn.Module, excite: nn.Module | None, gate: str):
        super().__init__()
        self.in_channels = in_channels
        self.gather = gather
        self.excite = excite if excite is not None else nn.Identity()
        self.gate_name = gate
        # Set by the unit that owns this operator: True makes it follow frozen_stages and norm_eval of its backbone.
        self.freeze_with_stage = False
        # And what happens where plain weights are loaded: see ContextPlan.
        self.insertion = 'preserve'
        self._reset()

    def gate(self, x: Tensor) -> Tensor:
        """Return the gate ``(N, C, H', W')`` of features ``(N, C, H, W)``, at the gather's resolution."""
        return GATES[self.gate_name](self.excite(self.gather(x)))

    def forward(self, x: Tensor) -> Tensor:
        return gated_scale(x, self.gate(x))

    def gate_of_affine(self, features: AffineFeatures) -> Tensor:
        """Return ``gate(y)`` of y that is not built, where the gather ``takes_affine``; equal up to rounding."""
        return GATES[self.gate_name](self.excite(self.gather.of_affine(features)))

    @property
    def logit_layer(self) -> nn.Module | None:
        """The layer whose output is the gate's logit; None where the gate has no parameters."""
        raise NotImplementedError

    @property
    def has_logit_parameters(self) -> bool:
        """Whether :meth:`zero_logits` can do its work: a norm without affine has nothing to be zero."""
        return self.logit_layer is not None and any(True for _ in self.logit_layer.parameters(recurse=False))

    def _reset(self) -> None:
        self.reset_parameters()
        if self.gate_name == 'double_sigmoid' and self.has_logit_parameters:
            self.zero_logits()

    def zero_logits(self) -> None:
        """Make a sigmoid gate exactly 0.5 everywhere: the layer before the sigmoid gets zero weights and bias."""
        for parameter in self.logit_layer.parameters(recurse=False):
            nn.init.zeros_(parameter)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as the released prototxts do."""
        raise NotImplementedError

    def init_weights(self) -> None:
        # Runs after the initialisers of every parent (mmengine goes from parent to child), so that a backbone's
        # `Kaiming` for all its Conv2d does not reach into the operator.
        self._reset()
        self._is_init = True

    def extra_repr(self) -> str:
        return f'in_channels={self.in_channels}, gate={self.gate_name}'

"""The residual unit: one forward for all residual networks, with the five slots of the SE paper's Figure 5."""

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn
from torch.utils import checkpoint

from se_backbones.backbones.base import ContextUnit


class ResidualUnit(ContextUnit):
    """``post(activation(standard(branch(pre(x))) + identity(downsample(x))))``; ``(N, C, H, W) -> (N, C', H', W')``.

    A subclass defines :meth:`branch`, which passes the output of its 3x3 convolution through ``self.at('3x3', ...)``,
    and may set the attributes below.

    Attributes:
        downsample: The shortcut, from the unit's input to its output's shape; mmdet's name. Default: identity.
        activation: Module after the sum. Default: ReLU in place.

    Args:
        drop_path_rate: Probability to drop the branch of an image in training (stochastic depth).
        with_cp: Recompute the unit in the backward pass instead of storing its activations.
    """

    def __init__(self, drop_path_rate: float = 0.0, with_cp: bool = False):
        super().__init__()
        self.downsample = nn.Identity()
        self.activation = nn.ReLU(inplace=True)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()
        self.with_cp = with_cp

    def branch(self, x: Tensor) -> Tensor:
        """Return the residual ``(N, C', H', W')`` of ``x`` ``(N, C, H, W)``."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint.checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        out = self.at('standard', self.branch(self.at('pre', x)))
        out = self.drop_path(out)
        out += self.at('identity', self.downsample(x))
        return self.at('post', self.activation(out))

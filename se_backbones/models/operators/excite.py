"""The excitation: a bottleneck of two 1x1 convolutions (SE paper, eq. 3; GE paper, section 3.2)."""

import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn


@torch.fx.wrap  # to torch.fx it is one operation: which way it goes depends on the size of the map
def pointwise_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the 1x1 convolution of ``x`` ``(N, C, H', W')``; ``weight`` is ``(C', C, 1, 1)``."""
    if x.shape[2] == x.shape[3] == 1:
        return F.linear(x.flatten(1), weight.flatten(1), bias)[:, :, None, None]
    return F.conv2d(x, weight, bias)


class PointwiseConv(nn.Conv2d):
    """A 1x1 convolution that is a matrix product where the map has one position: half the time on a CPU at batch 8."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool):
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return pointwise_conv(x, self.weight, self.bias)


class BottleneckExcite(nn.Module):
    """1x1 C -> max(1, C // r), ReLU, 1x1 -> C: ``(N, C, H', W') -> (N, C, H', W')``.

    The reduced width is not rounded to a multiple of 8: the released SE-BN-Inception has 20, 36, 38 and 66.
    The layers carry the names of the released prototxts, ``1x1_down`` and ``1x1_up``.
    """

    def __init__(self, in_channels: int, ratio: int, bias: bool):
        super().__init__()
        reduced = max(1, in_channels // ratio)
        self.down = PointwiseConv(in_channels, reduced, bias)
        self.up = PointwiseConv(reduced, in_channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.relu(self.down(x), inplace=True))

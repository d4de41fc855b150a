"""The excitation: a bottleneck of two 1x1 convolutions (SE paper, eq. 3; GE paper, section 3.4)."""

import torch.nn.functional as F
from torch import Tensor, nn


class BottleneckExcite(nn.Module):
    """1x1 C -> max(1, C // r), ReLU, 1x1 -> C: ``(N, C, H', W') -> (N, C, H', W')``.

    The reduced width is not rounded to a multiple of 8: the released SE-BN-Inception has 20, 36, 38 and 66.
    The layers carry the names of the released prototxts, ``1x1_down`` and ``1x1_up``.
    """

    def __init__(self, in_channels: int, ratio: int, bias: bool):
        super().__init__()
        reduced = max(1, in_channels // ratio)
        self.down = nn.Conv2d(in_channels, reduced, 1, bias=bias)
        self.up = nn.Conv2d(reduced, in_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.relu(self.down(x), inplace=True))

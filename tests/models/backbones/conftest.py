"""What several architectures' tests need: networks as if trained, and a stand-in for an operator."""

import pytest
from torch import nn


@pytest.fixture
def randomise():
    """Return a function that makes a network look trained: no norm is the identity."""
    def apply(net):
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, -0.5, 1.5)
                nn.init.normal_(module.bias)
        return net
    return apply


class _Marked(nn.Module):
    def forward(self, x):
        return x + 1000.0


@pytest.fixture
def marked():
    """Stands for an operator: adds a number, so that its place in the unit can be read from the output."""
    return _Marked()

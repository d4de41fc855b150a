"""What is logged, and networks as if trained."""

import logging

import pytest
from mmengine.logging import MMLogger
from torch import nn


def _as_if_trained(net):
    """Return the network with no norm the identity, so that what is doubled matters."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)):
            nn.init.uniform_(module.weight, -1, 1.5)
            nn.init.normal_(module.bias)
    return net


@pytest.fixture
def as_if_trained():
    return _as_if_trained


@pytest.fixture
def log(caplog):
    """What any logger of mmengine says, as ``(level, text)``."""
    lines = []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append((record.levelname, record.getMessage()))
    handler = Handler()
    patched = MMLogger.callHandlers

    def call(self, record):
        handler.emit(record)
        return patched(self, record)
    MMLogger.callHandlers = call
    yield lines
    MMLogger.callHandlers = patched

"""What is logged, and networks as if trained."""

import functools
import logging

import pytest
from mmengine.logging import MMLogger

import helpers


@pytest.fixture
def as_if_trained():
    """Return a function after which no norm is the identity, so that what is doubled matters."""
    return functools.partial(helpers.as_if_trained, spread=1.0, var=(0.5, 2), weight=(-1, 1.5))


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

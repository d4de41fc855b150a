"""What is loaded is compared bit for bit."""

import pytest


@pytest.fixture(autouse=True)
def plain_tail(monkeypatch):
    """The equation as it is written: the fused tail of residual units adds up in another order."""
    monkeypatch.setenv('SE_BACKBONES_TAIL', 'plain')

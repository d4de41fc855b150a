"""Web servers for downloads, Caffe networks, broken files."""

from pathlib import Path

import pytest

from helpers import load_module
from servers import WeightsServer

HERE = Path(__file__).parent


@pytest.fixture(scope='session')
def caffe():
    """The module that writes and computes Caffe networks."""
    return load_module(HERE / '../lab/caffe/caffe_net.py')


@pytest.fixture(scope='session')
def fuzzing():
    """The module that breaks files and reads them."""
    return load_module(HERE / 'fuzzing.py')


@pytest.fixture
def _no_proxy(monkeypatch):
    for name in ('http_proxy', 'https_proxy', 'all_proxy'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def weights_server(_no_proxy):
    """A :class:`WeightsServer`; nothing that a test fetches goes through a proxy."""
    server = WeightsServer()
    yield server
    server.close()

"""A web server for downloads, Caffe networks, broken files."""

import importlib.util
from pathlib import Path

import pytest


def _module(path: str):
    # Test folders are no packages: there is nothing to import it from.
    path = Path(__file__).parent / path
    spec = importlib.util.spec_from_file_location(f'weights_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='session')
def caffe():
    """The module that writes and computes Caffe networks."""
    return _module('../lab/caffe/caffe_net.py')


@pytest.fixture(scope='session')
def fuzzing():
    """The module that breaks files and reads them."""
    return _module('fuzzing.py')


@pytest.fixture
def weights_server(monkeypatch):
    """A :class:`WeightsServer`; nothing that a test fetches goes through a proxy."""
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    server = _module('server.py').WeightsServer()
    yield server
    server.close()

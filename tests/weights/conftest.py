"""A web server for downloads."""

import importlib.util
from pathlib import Path

import pytest


def _load_server():
    # Test folders are no packages: there is nothing to import it from.
    spec = importlib.util.spec_from_file_location('weights_server', Path(__file__).with_name('server.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WeightsServer


@pytest.fixture
def weights_server(monkeypatch):
    """A :class:`WeightsServer`; nothing that a test fetches goes through a proxy."""
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    server = _load_server()()
    yield server
    server.close()

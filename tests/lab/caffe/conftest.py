"""Caffe networks on the disk."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def caffe():
    """The module that writes and computes Caffe networks."""
    # Test folders are no packages: there is nothing to import it from.
    spec = importlib.util.spec_from_file_location('caffe_net', Path(__file__).with_name('caffe_net.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write(tmp_path):
    """Write a network's two files and return their paths."""
    def write(net, **options):
        model, prototxt = tmp_path / 'net.caffemodel', tmp_path / 'net.prototxt'
        model.write_bytes(net.caffemodel(**options))
        prototxt.write_text(net.prototxt())
        return model, prototxt
    return write

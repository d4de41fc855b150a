"""Caffe networks on the disk."""

from pathlib import Path

import pytest

from helpers import load_module


@pytest.fixture(scope='session')
def caffe():
    """The module that writes and computes Caffe networks."""
    return load_module(Path(__file__).with_name('caffe_net.py'))


@pytest.fixture
def write(tmp_path):
    """Write a network's two files and return their paths."""
    def write(net, **options):
        model, prototxt = tmp_path / 'net.caffemodel', tmp_path / 'net.prototxt'
        model.write_bytes(net.caffemodel(**options))
        prototxt.write_text(net.prototxt())
        return model, prototxt
    return write

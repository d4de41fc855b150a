"""Caffe networks on the disk."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a network's two files and return their paths."""
    def write(net, **options):
        model, prototxt = tmp_path / 'net.caffemodel', tmp_path / 'net.prototxt'
        model.write_bytes(net.caffemodel(**options))
        prototxt.write_text(net.prototxt())
        return model, prototxt
    return write

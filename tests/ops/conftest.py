"""What tests of tensor functions share: layouts, and memory that is poisoned until it is written."""

import pytest
import torch

LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


@pytest.fixture(params=LAYOUTS)
def layout(request):
    """The memory format of the maps of a test."""
    return LAYOUTS[request.param]


@pytest.fixture(autouse=True)
def _uninitialised_memory_is_nan(monkeypatch):
    """A function that forgets to write a value returns NaN."""
    def poisoned(make):
        def made(*args, **kwargs):
            tensor = make(*args, **kwargs)
            return tensor.fill_(float('nan')) if tensor.is_floating_point() else tensor
        return made
    for name in ('empty', 'empty_like', 'empty_strided'):
        monkeypatch.setattr(torch, name, poisoned(getattr(torch, name)))

"""What tests of tensor functions share: layouts, and memory that is poisoned until it is written."""

from importlib.util import find_spec

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


@pytest.fixture(scope='session', autouse=True)
def _interpreted_loops_take_numbers_from_arrays():
    """Triton 3.6's interpreter calls int() on arrays of one value, which numpy 2.4 refuses."""
    if not find_spec('triton'):
        return
    from triton.runtime import interpreter
    patch = interpreter._patch_lang_tensor

    def patched(tensor, scope):
        patch(tensor, scope)
        scope.set_attr(tensor, '__index__', lambda self: self.handle.data.item())
    interpreter._patch_lang_tensor = patched

"""What happens when an operator is called that torchvision does not have."""

import sys
from collections.abc import Callable

# Frames of these packages pass a call on; the one that made it comes before them.
PASSING_ON = ('mmcv', 'torch', 'se_backbones.mmcv_ext')
COMPILE = ('Compile mmcv: `make setup COMPILE_MMCV=1` in the repository of se_backbones, elsewhere pip install '
           '--force-reinstall --no-deps --no-cache-dir --no-build-isolation onedl-mmcv (or mmcv), after torch, '
           'setuptools<81, ninja and psutil.')


class OperatorAbsentError(NotImplementedError):
    """An operator of mmcv was called that exists compiled only."""


def absent(name: str) -> Callable:
    """Return a function that stands for the operator ``name`` and raises :class:`OperatorAbsentError`."""
    def stop(*args, **kwargs):
        raise OperatorAbsentError(
            f"mmcv's operator {name}, called by {_caller()}, is not among those that run on torchvision. {COMPILE}")
    stop.__name__ = name
    return stop


def _caller() -> str:
    """Return the first code outside of mmcv and torch that led here, as ``module, line N``."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_globals.get('__name__', '').startswith(PASSING_ON):
        frame = frame.f_back
    return f'{frame.f_globals.get("__name__")}, line {frame.f_lineno}'

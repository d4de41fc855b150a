"""Which code runs residual units: one rule, one environment variable.

``SE_BACKBONES_TAIL`` is ``auto`` (default), ``plain`` or ``fused``:

* ``plain``: norm, gate, product, sum and ReLU one after the other, as the equation is written.
* ``fused``: the end of a unit with an operator as one function (:mod:`se_backbones.ops.gated_residual`) wherever it is
  defined, torch operations in float32 standing in where there is no faster code.
* ``auto``: ``fused`` where that costs no time (float32 and float64 on a CPU for maps that are large enough; float32,
  float16 and bfloat16 on CUDA with Triton), else ``plain``.

Without autograd on a CPU, both ``fused`` and ``auto`` go on in the memory of the unit's last norm.

Both have the same parameters and give the same values up to rounding.
"""

import logging
import os
from functools import cache

import torch
from mmengine.logging import print_log
from torch import Tensor

VARIABLE = 'SE_BACKBONES_TAIL'
CHOICES = ('auto', 'plain', 'fused')
HALF = (torch.float16, torch.bfloat16)
# Values of a map from which on a CPU fewer passes over memory are worth more calls, measured on ResNet-50.
LARGE_ENOUGH = 1 << 18


def choice() -> str:
    """Return what the environment asks for.

    Raises:
        ValueError: The variable is set to something else than ``auto``, ``plain`` and ``fused``.
    """
    value = os.environ.get(VARIABLE, 'auto')
    if value not in CHOICES:
        raise ValueError(f'The environment variable {VARIABLE} must be one of {", ".join(map(repr, CHOICES))}, got '
                         f'{value!r}.')
    return value


@cache
def has_triton() -> bool:
    """Return whether Triton can be imported; torch for CUDA brings it along, other builds do not."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def code_for(x: Tensor, least: int = 0) -> str | None:
    """Return ``'cpu'``, ``'triton'`` or ``'torch'``, the code that computes fused functions of ``x``; None: plain.

    Tensors of other devices and dtypes, of subclasses (fake and functional tensors among them) and empty ones are
    plain, and with ``auto`` those of a CPU with less than ``least`` values.
    """
    asked = choice()
    if asked == 'plain' or type(x) is not Tensor or x.numel() == 0:
        return None
    device, dtype = x.device.type, x.dtype
    if device == 'cpu' and dtype in (torch.float32, torch.float64):
        return 'cpu' if asked == 'fused' or x.numel() >= least else None
    if device == 'cuda' and dtype in (torch.float32, *HALF) and has_triton():
        return 'triton'
    if asked == 'fused' and device in ('cpu', 'cuda') and dtype in (torch.float32, torch.float64, *HALF):
        return 'torch'
    return None


def announce() -> None:
    """Log the choice, once per process and value: called where networks are built, never in ``forward``."""
    _announce(choice())


@cache
def _announce(asked: str) -> None:
    meaning = {
        'auto': 'fused with the norm and the sum where that is faster',
        'plain': 'not fused',
        'fused': 'fused with the norm and the sum wherever that is possible',
    }[asked]
    print_log(f'{VARIABLE}={asked}: gates at the end of residual units are {meaning}.', logger='current',
              level=logging.INFO)

"""``relu(gate * norm(x) + shortcut)`` without the normalised tensor, and where it is used: one rule, one variable.

``SE_BACKBONES_TAIL`` is ``auto`` (default), ``plain`` or ``fused``; where it is set it goes before ``tail`` in a
config's ``context``. It is read when a network is built.

* ``plain``: norm, gate, product, sum and ReLU one after the other, as the equation is written.
* ``fused``: as two functions (:mod:`naive` has the algebra) for float32 and float64 on a CPU, and for float32, float16
  and bfloat16 on NVIDIA GPUs with Triton.
* ``auto``: ``fused`` where that costs no time; small maps on a CPU are not worth its calls.

Both have the same parameters and give the same values up to rounding.
"""

import logging
import os
from functools import cache
from types import ModuleType

import torch
from mmengine.logging import print_log
from torch import Tensor

from se_backbones.ops.residual_tail import cpu
from se_backbones.ops.residual_tail.autograd import AffineFeatures, gated_sum, normalise

__all__ = ['CHOICES', 'VARIABLE', 'AffineFeatures', 'choice', 'code_for', 'gated_sum', 'normalise']

VARIABLE = 'SE_BACKBONES_TAIL'
CHOICES = ('auto', 'plain', 'fused')
# Values of a map from which on a CPU fewer passes over memory are worth more calls, measured on ResNet-50.
LARGE_ENOUGH = {'training': 1 << 18, 'inference': 1 << 21}


def choice(configured: str = 'auto') -> str:
    """Return ``auto``, ``plain`` or ``fused``: what the environment asks for, else what the config does; logged once.

    Raises:
        ValueError: The environment variable has another value.
    """
    value = os.environ.get(VARIABLE, configured)
    if value not in CHOICES:
        raise ValueError(f'The environment variable {VARIABLE} must be one of {", ".join(map(repr, CHOICES))}, got '
                         f'{value!r}.')
    _announce(value)
    return value


@cache
def _announce(asked: str) -> None:
    meaning = {'auto': 'fused where that is faster', 'plain': 'not fused', 'fused': 'fused wherever that is possible'}
    print_log(f'The tails of residual units with an operator are {meaning[asked]} ({VARIABLE} or context.tail: '
              f'{asked!r}).', logger='current', level=logging.INFO)


def code_for(asked: str, x: Tensor) -> ModuleType | None:
    """Return ``cpu.py`` or ``triton.py``, the code for ``x`` ``(N, C, H, W)``; None: plain.

    Tensors of other devices and dtypes, of subclasses (fake and functional tensors among them) and empty ones
    run plain, and with ``auto`` small ones on a CPU.
    """
    if asked == 'plain' or type(x) is not Tensor or x.numel() == 0:
        return None
    device, dtype = x.device.type, x.dtype
    if device == 'cpu' and dtype in (torch.float32, torch.float64):
        least = LARGE_ENOUGH['training' if torch.is_grad_enabled() else 'inference']
        return cpu if asked == 'fused' or x.numel() >= least else None
    if device == 'cuda' and dtype in (torch.float32, torch.float16, torch.bfloat16):
        return _triton(x.device, dtype)
    return None


@cache
def _triton(device: torch.device, dtype: torch.dtype) -> ModuleType | None:
    """Return ``triton.py`` if its kernels compile and run on this device; said in one line if they do not."""
    if reason := why_not_triton(device, dtype):
        print_log(f'The tails of residual units are not fused on {device}: {reason}.', logger='current',
                  level=logging.WARNING)
        return None
    from se_backbones.ops.residual_tail import triton
    return triton


def why_not_triton(device: torch.device, dtype: torch.dtype) -> str | None:
    """Return why Triton's kernels do not run on ``device``, after a first trial launch, or None."""
    try:
        from se_backbones.ops.residual_tail import triton
    except ImportError as error:  # torch for CUDA brings Triton along, other builds do not
        return f'Triton cannot be imported ({error})'
    return triton.why_not(device, dtype)

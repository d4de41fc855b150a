"""Single functions against the speed of a copy, at the maps of ResNet-50's four stages."""

import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from se_backbones.lab.benchmark.timing import interleaved
from se_backbones.ops import average_pool, map_dot
from se_backbones.ops.residual_tail import AffineFeatures, code_for, gated_sum, naive, normalise

# Channels and size of the stages' outputs at 224 px.
MAPS = ((256, 56), (512, 28), (1024, 14), (2048, 7))
COPY = 'copy'
NUM_CALLS = 13 * len(MAPS)  # of functions, in a round


def measure_operators(batch: int, dtype: torch.dtype, channels_last: bool, device: str, rounds: int,
                      progress: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
    """Time the functions of the fused tail and of the gathers at each stage's maps.

    ``bytes`` counts each full-size tensor that a function must read or write once. So ``bandwidth`` is what it makes of
    the memory, and ``of_copy`` compares it with a copy of the same map in the same run; functions that are written as
    the equation stand beside ours with the same bytes.

    Args:
        batch, dtype: Maps are ``(batch, C, H, W)``.
        progress: As :func:`interleaved` calls it.

    Returns:
        One dict per map and function: ``setting``, ``map``, ``name``, ``median_ms``, ``gbytes_per_s``, ``of_copy``.
    """
    rows = []
    setting = ', '.join([f'{batch} images', str(dtype).removeprefix('torch.'),
                         'channels_last' if channels_last else 'nchw', device])
    for channels, size in MAPS:
        functions, passes = _functions(batch, channels, size, dtype, channels_last, device)
        # A single call of a GPU's would be timed with the time that it takes to be launched.
        times = interleaved(functions, rounds, device, progress, calls=10 if device == 'cuda' else 1)
        one_pass = batch * channels * size * size * dtype.itemsize
        speed = {name: passes[name] * one_pass / statistics.median(seconds) for name, seconds in times.items()}
        rows += [dict(setting=setting, map=f'{channels} x {size} x {size}', name=name,
                      median_ms=statistics.median(times[name]) * 1e3, gbytes_per_s=speed[name] / 1e9,
                      of_copy=speed[name] / speed[COPY]) for name in times]
    return rows


def _functions(batch: int, channels: int, size: int, dtype: torch.dtype, channels_last: bool,
               device: str) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """Return functions by name, and the full-size tensors that each one must read or write."""
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def new() -> Tensor:
        return torch.randn(batch, channels, size, size, device=device).to(dtype).contiguous(memory_format=layout)
    x, shortcut, grad, target = new(), new(), new(), new()
    leaf, other = x.clone().requires_grad_(), shortcut.clone().requires_grad_()
    wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    cells = -(-size // 8)
    gate = torch.rand(batch, channels, 1, 1, device=device, dtype=wide, requires_grad=True)
    local = torch.rand(batch, channels, cells, cells, device=device, dtype=wide, requires_grad=True)
    norm = nn.BatchNorm2d(channels, device=device, dtype=wide)
    affine = [torch.rand(channels, device=device, dtype=wide, requires_grad=True) for _ in range(2)]
    kernel = torch.randn(channels, size, size, device=device, dtype=wide)
    code = code_for('fused', x)

    def backward(function: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], object]:
        out = function(*inputs)
        return lambda: torch.autograd.grad(out, inputs, grad.to(out.dtype), retain_graph=True)

    def fused(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return gated_sum(code, AffineFeatures(x, scale, shift), gate, shortcut, relu=True)

    def equation(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return naive.gated_sum(x, gate, shortcut, scale, shift, relu=True)

    def norm_backward() -> Callable[[], object]:
        features = normalise(code, leaf, norm, squeeze=True)
        grads = grad.clone(memory_format=torch.preserve_format), *map(torch.ones_like, features[1:])
        return lambda: torch.autograd.grad(features, leaf, grads, retain_graph=True)
    table = {
        COPY: (2, lambda: target.copy_(x)),
        'norm and squeeze': (1, lambda: normalise(code, x, norm, squeeze=True)),
        'batch statistics, torch': (1, lambda: torch.var_mean(x.to(wide), (0, 2, 3))),
        'norm and squeeze, backward': (3, norm_backward()),
        'gated sum': (3, lambda: fused(x, gate, shortcut, *affine)),
        'gated sum, equation': (3, lambda: equation(x, gate, shortcut, *affine)),
        'gated sum, backward': (5, backward(fused, leaf, gate, other, *affine)),
        'gated sum, equation, backward': (5, backward(equation, leaf, gate, other, *affine)),
        'gated sum E8': (3, lambda: fused(x, local, shortcut, *affine)),
        'gated sum E8, backward': (5, backward(fused, leaf, local, other, *affine)),
        'average pool E8': (1, lambda: average_pool(x, 8)),
        'full-map gather': (1, lambda: map_dot(x, kernel)),
        'full-map gather, torch': (1, lambda: F.conv2d(x, kernel[:, None].to(dtype), groups=channels)),
    }
    return ({name: function for name, (_, function) in table.items()},
            {name: passes for name, (passes, _) in table.items()})

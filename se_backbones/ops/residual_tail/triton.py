"""The tail on CUDA in half precision and float32: three launches forward, four backward.

In each direction two kernels pass over maps, and a small one finalises the partial sums that such a kernel leaves:

* :func:`normalise`: sums of x; finalise: statistics, a, b, z;
* :func:`gated_sum`: the output;
* :func:`gated_sum_backward`: g, ``a s g`` and sums; finalise: the gradients of gate, a and b;
* :func:`normalise_backward`: finalise: the gradients of gamma and beta, k and l; ``k x + l`` in place.

A gate of many cells has its sums finished by the kernel itself, and those over cells by torch. Tiles and what is known
of addresses: ``triton_kernels.py``. Tensors are contiguous or channels_last, and made so if they are not.

Tile sizes take few values, since each is a kernel of its own: detectors see maps of hundreds of sizes.
"""

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
import triton
from torch import Tensor

from se_backbones.ops.residual_tail import triton_kernels as kernels
from se_backbones.ops.residual_tail import triton_local_kernels as local_kernels

if TYPE_CHECKING:
    from se_backbones.ops.residual_tail.autograd import Statistics

TILE = 1024  # values that a program holds at a time
CHANNELS = 64  # of a tile in channels_last: 128 bytes in half precision
PROGRAMS = 2048  # enough to fill any GPU: from there on programs become longer, and partial sums fewer
# Images and channels at a time: 8 channels are the 32 bytes that a GPU reads at least, many images few turns of a loop.
FINALISE = dict(BN=256, BC=8, num_warps=8)
OLDEST = {torch.float16: (7, 0), torch.float32: (7, 0), torch.bfloat16: (8, 0)}  # compute capability


def why_not(device: torch.device, dtype: torch.dtype = torch.float16) -> str | None:
    """Return why the kernels cannot run on ``device``, in one line, or None after a launch that did. Never raises."""
    try:
        if torch.version.hip is not None:  # which calls itself CUDA too
            return 'the kernels are written for NVIDIA GPUs'
        capability = torch.cuda.get_device_capability(device)
        if capability < OLDEST[dtype]:
            return (f'{torch.cuda.get_device_name(device)} has compute capability {capability[0]}.{capability[1]}, '
                    f'and kernels for {str(dtype).removeprefix("torch.")} need {OLDEST[dtype][0]}.0')
        x = torch.ones(1, 1, 4, 4, dtype=dtype, device=device)
        out = gated_sum(x, x[:, :, :1, :1], x, None, None, relu=True)
        if bool((out == 2).all()):
            return None
        return 'a trial launch of a Triton kernel gave wrong values'
    except Exception as problem:
        lines = str(problem).strip().splitlines() or ['']
        return f'a trial launch of a Triton kernel failed with {type(problem).__name__}: {lines[0]:.200}'


def normalise(x: Tensor, weight: Tensor | None, bias: Tensor | None, statistics: 'Statistics | None', squeeze: bool
              ) -> tuple[Tensor | None, Tensor | None, Tensor | None, tuple]:
    """Return a, b, z and what :func:`normalise_backward` needs; see :func:`cpu.normalise`."""
    if statistics is None:
        return None, None, x.mean((2, 3)), ()
    running_mean, running_var, of_batch, factor, eps = statistics
    x, = _like(x)
    tiles = _Tiles(x)
    n, c, height, width = x.shape
    values = n * height * width
    sums = squares = means = z = None
    if of_batch or squeeze:
        sums, squares = _partials(tiles, x, squares=of_batch)
    if squeeze:
        means, z = _floats(x, n, c), torch.empty((n, c), dtype=x.dtype, device=x.device)
    mean, inverse, scale, shift = (_floats(x, c) for _ in range(4))
    update = of_batch and factor is not None
    factors = (float(factor), factor * values / (values - 1)) if update else (0.0, 0.0)
    _launch(kernels.norm_kernel, _finalising(c), x, sums, squares, weight, bias, running_mean, running_var, mean,
            inverse, scale, shift, means, z, n, c, height * width, tiles.chunks, 1 / values, float(eps), *factors,
            CHANNELS_LAST=tiles.channels_last, UPDATE=update, **FINALISE)
    if update:
        torch.autograd.graph.increment_version((running_mean, running_var))  # which torch does not see
    return scale, shift, z, (mean, inverse, means)


def normalise_backward(x_grad: Tensor, scale_grad: Tensor | None, shift_grad: Tensor | None, z_grad: Tensor | None,
                       x: Tensor, weight: Tensor | None, bias: Tensor | None, kept: tuple,
                       statistics: 'Statistics | None') -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of x, gamma and beta; ``x_grad`` is changed in place and becomes the first."""
    n, c, height, width = x.shape
    if statistics is None:
        return x_grad.add_(z_grad[:, :, None, None], alpha=1 / (height * width)), None, None
    x, x_grad = _like(x, x_grad)
    mean, inverse, means = kept
    weight_grad = None if weight is None else torch.empty_like(weight)
    bias_grad = None if bias is None else torch.empty_like(bias)
    slope = _floats(x, c) if statistics.of_batch else None
    offset = None if slope is None and z_grad is None else _floats(x, n, c)
    scale_grad, shift_grad = scale_grad.contiguous(), shift_grad.contiguous()
    z_grad = None if z_grad is None else z_grad.contiguous()
    _launch(kernels.norm_backward_kernel, _finalising(c), scale_grad, shift_grad, z_grad, weight, mean, inverse, means,
            weight_grad, bias_grad, slope, offset, n, c, 1 / (height * width), 1 / (n * height * width), **FINALISE)
    if offset is not None:
        tiles = _Tiles(x)
        _launch(kernels.affine_kernel, tiles.grid, x_grad, x, slope, offset, *tiles.sizes, **tiles.constants)
    return x_grad, weight_grad, bias_grad


def gated_sum(x: Tensor, gate: Tensor, shortcut: Tensor, scale: Tensor | None, shift: Tensor | None,
              relu: bool) -> Tensor:
    """Return the output; see :func:`naive.gated_sum`."""
    x, shortcut = _like(x, shortcut)
    out, tiles = torch.empty_like(x), _Tiles(x)
    if gate[0, 0].numel() == 1:
        _launch(kernels.tail_kernel, tiles.grid, x, gate.contiguous(), shortcut, scale, shift, out, *tiles.sizes,
                RELU=relu, **tiles.constants)
        return out
    n, c, height, width = x.shape
    bc, bp = tiles.constants['BC'], tiles.constants['BP']
    blocks = triton.cdiv(height * width, bp)
    # Channel blocks that share the search for cells.
    shared = max(1, min(8, triton.cdiv(c, bc), n * blocks * triton.cdiv(c, bc) // PROGRAMS))
    _launch(local_kernels.local_tail_kernel, (n * blocks * triton.cdiv(c, bc * shared),), x, _laid_out(gate, tiles),
            shortcut, scale, shift, out, c, height * width, height, width, *gate.shape[-2:], shared, RELU=relu,
            **tiles.constants)
    return out


def gated_sum_backward(grad: Tensor, out: Tensor | None, x: Tensor, gate: Tensor, scale: Tensor | None,
                       shift: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of x, gate, shortcut, a and b; ``out`` is the output where a ReLU made it, else None."""
    x, grad, *outs = _like(x, grad, *([] if out is None else [out]))
    out = outs[0] if outs else None
    x_grad = torch.empty_like(x)
    g = grad if out is None else torch.empty_like(x)
    tiles = _Tiles(x)
    if gate[0, 0].numel() > 1:
        return _local_backward(grad, out, x, _laid_out(gate, tiles), scale, shift, g, x_grad, tiles)
    n, c = x.shape[:2]
    gate, gate_grad = gate.contiguous(), torch.empty(gate.shape, dtype=gate.dtype, device=x.device)
    products, sums = _floats(x, tiles.chunks, n, c), _floats(x, tiles.chunks, n, c)
    _launch(kernels.tail_backward_kernel, tiles.grid, grad, out, x, gate, scale, None if out is None else g, x_grad,
            products, sums, *tiles.sizes, **tiles.constants)
    scale_grad, shift_grad = (None, None) if scale is None else (_floats(x, c), _floats(x, c))
    _launch(kernels.gate_backward_kernel, _finalising(c), products, sums, gate, scale, shift, gate_grad, scale_grad,
            shift_grad, n, c, tiles.chunks, **FINALISE)
    return x_grad, gate_grad, g, scale_grad, shift_grad


def _local_backward(grad: Tensor, out: Tensor | None, x: Tensor, gate: Tensor, scale: Tensor | None,
                    shift: Tensor | None, g: Tensor, x_grad: Tensor, tiles: '_Tiles') -> tuple:
    n, c, height, width = x.shape
    rows, columns = gate.shape[-2:]
    widest = triton.cdiv(width, columns)
    if tiles.channels_last:
        bc, row = tiles.constants['BC'], tiles.constants['BP']
    else:
        row = _least((16, 64, 256), width)
        bc = TILE // row
    slots = min(row, triton.next_power_of_2(widest))  # for the columns of a cell
    cells = row // slots
    blocks = triton.cdiv(columns, cells)
    parts = n * rows * blocks
    gate_grad = torch.empty_like(gate)
    sums = _floats(x, 2, parts, c)
    _launch(local_kernels.local_tail_backward_kernel, (parts * triton.cdiv(c, bc),), grad, out, x, gate, scale, shift,
            None if out is None else g, x_grad, gate_grad, sums[0], sums[1], c, height, width, rows, columns, widest,
            CHANNELS_LAST=tiles.channels_last, ALIGN=_known_factor(c if tiles.channels_last else width, x),
            EVEN=slots * columns == width, BC=bc, CELLS=cells, CW=slots,
            maxnreg=128)  # without it the assembler spills some of 64 registers, for more programs at a time
    scale_grad, shift_grad = (None, None) if scale is None else sums.sum(1).unbind()
    return x_grad, gate_grad, g, scale_grad, shift_grad


class _Tiles:
    """The grid and the tile for maps like ``x``.

    Attributes:
        channels_last: Whether x is.
        chunks: Programs that share a map, so that small batches of large maps have enough of them.
        grid, sizes, constants: Of a launch.
    """

    def __init__(self, x: Tensor):
        n, c, height, width = x.shape
        pixels = height * width
        self.channels_last = layout_of(x) is torch.channels_last
        if self.channels_last:
            bc = CHANNELS if c > CHANNELS // 4 else CHANNELS // 4
            bp, blocks = TILE // bc, n * triton.cdiv(c, bc)
        else:
            bp = _least((16, 64, 256, TILE), pixels)
            bc = TILE // bp
            blocks = triton.cdiv(n * c, bc)
        per_map = triton.cdiv(pixels, bp)
        tiles = min(max(1, per_map * blocks // PROGRAMS), per_map)
        self.chunks = triton.cdiv(per_map, tiles)
        tiles = triton.cdiv(per_map, self.chunks)
        self.grid = blocks * self.chunks,
        self.sizes = n * c, c, pixels, self.chunks, tiles
        align = _known_factor(c if self.channels_last else pixels, x)
        self.constants = dict(CHANNELS_LAST=self.channels_last, ALIGN=align, BC=bc, BP=bp)


def _least(choices: tuple[int, ...], size: int) -> int:
    """Return the first of ``choices`` that is at least ``size``, else the last."""
    return next((choice for choice in choices if choice >= size), choices[-1])


def _known_factor(length: int, x: Tensor) -> int:
    """Return the largest power of two that divides ``length``, up to the values of x in 128 bits."""
    return min(length & -length, 16 // x.element_size())


def _partials(tiles: _Tiles, x: Tensor, squares: bool) -> tuple[Tensor, Tensor | None]:
    """Return sums ``(chunks, N, C)`` of x, and of squares; both relative to a value of the channel, if these too."""
    sums = _floats(x, tiles.chunks, *x.shape[:2])
    products = torch.empty_like(sums) if squares else None
    _launch(kernels.sums_kernel, tiles.grid, x, sums, products, *tiles.sizes, **tiles.constants)
    return sums, products


def layout_of(x: Tensor) -> torch.memory_format:
    """Return the layout in which kernels take ``x``: its own, or contiguous."""
    if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def _like(x: Tensor, *others: Tensor) -> list[Tensor]:
    """Return all tensors in one layout, copies where they are not."""
    layout = layout_of(x)
    return [tensor.contiguous(memory_format=layout) for tensor in (x, *others)]


def _laid_out(gate: Tensor, tiles: _Tiles) -> Tensor:
    """Return the gate in the layout of the maps."""
    return gate.contiguous(memory_format=torch.channels_last if tiles.channels_last else torch.contiguous_format)


def _floats(x: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=x.device)


def _finalising(channels: int) -> tuple[int]:
    """Return the grid of a finalise kernel."""
    return triton.cdiv(channels, FINALISE['BC']),


def _launch(kernel: triton.runtime.KernelInterface, grid: tuple[int], x: Tensor, *arguments: object,
            **constants: object) -> None:
    """Launch ``kernel`` on the device of its first argument: Triton takes the current one."""
    with torch.cuda.device(x.device) if x.is_cuda else nullcontext():
        kernel[grid](x, *arguments, **constants)

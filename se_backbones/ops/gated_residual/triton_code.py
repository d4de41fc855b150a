"""The same functions on CUDA: one kernel and one pass over memory each, sums in float32.

A program takes one cell of the gate's grid (the whole map where the gate is global), some channels of one image, and a
chunk of the cell's pixels: within it all factors are constant per channel, and a sum is one row of a tile. Chunks give
small batches of large maps enough programs; their sums are added up by torch, so that results do not depend on the
order in which programs run. Tensors are contiguous or channels_last, and the tile's longer side lies along memory.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 1024  # values that a program holds at a time
LONGEST = {False: 4, True: 16}  # tiles of a program, by whether the layout is channels_last


@triton.jit
def _place(channels, height, width, rows, columns, BC: tl.constexpr, CHUNK: tl.constexpr):
    """Return image, channels with their mask, the cell's rectangle and this program's first and last pixel in it."""
    blocks = tl.cdiv(channels, BC)
    image = (tl.program_id(0) // blocks).to(tl.int64)
    channel = (tl.program_id(0) % blocks) * BC + tl.arange(0, BC)
    cell_row, cell_column = tl.program_id(1) // columns, tl.program_id(1) % columns
    # Pixel i is in cell i * rows // height, so a cell begins at ceil(cell * height / rows).
    top, bottom = (cell_row * height + rows - 1) // rows, ((cell_row + 1) * height + rows - 1) // rows
    left, right = (cell_column * width + columns - 1) // columns, ((cell_column + 1) * width + columns - 1) // columns
    first = tl.program_id(2) * CHUNK
    last = tl.minimum(first + CHUNK, (bottom - top) * (right - left))
    return image, channel, channel < channels, top, left, right - left, first, last


@triton.jit
def _offsets(pixel, top, left, cell_width, width, pixel_stride, GLOBAL: tl.constexpr):
    """Return where the pixels of a cell lie in their map."""
    if GLOBAL:
        return pixel * pixel_stride
    return ((top + pixel // cell_width) * width + left + pixel % cell_width) * pixel_stride


@triton.jit
def _sums_kernel(x_ptr, center_ptr, sums_ptr, squares_ptr, channels, height, width, image_stride, channel_stride,
                 pixel_stride, SQUARES: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, STEPS: tl.constexpr):
    image, channel, inside, _, _, _, first, last = _place(channels, height, width, 1, 1, BC, BP * STEPS)
    base = x_ptr + image * image_stride + channel.to(tl.int64) * channel_stride
    center = tl.load(center_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    sums = tl.zeros((BC, BP), tl.float32)
    squares = tl.zeros((BC, BP), tl.float32)
    for step in range(STEPS):
        pixel = first + step * BP + tl.arange(0, BP)
        mask = inside[:, None] & (pixel < last)[None, :]
        x = tl.load(base[:, None] + (pixel * pixel_stride)[None, :], mask=mask, other=0.0).to(tl.float32)
        x = tl.where(mask, x - center[:, None], 0.0)
        sums += x
        if SQUARES:
            squares += x * x
    images = tl.num_programs(0) // tl.cdiv(channels, BC)
    target = (tl.program_id(2) * images + image) * channels + channel
    tl.store(sums_ptr + target, tl.sum(sums, 1), mask=inside)
    if SQUARES:
        tl.store(squares_ptr + target, tl.sum(squares, 1), mask=inside)


@triton.jit
def _forward_kernel(x_ptr, scale_ptr, shift_ptr, shortcut_ptr, out_ptr, channels, height, width, rows, columns,
                    image_stride, channel_stride, pixel_stride, SHIFT: tl.constexpr, RELU: tl.constexpr,
                    GLOBAL: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, STEPS: tl.constexpr):
    image, channel, inside, top, left, cell_width, first, last = _place(channels, height, width, rows, columns, BC,
                                                                        BP * STEPS)
    base = image * image_stride + channel.to(tl.int64) * channel_stride
    cell = (image * channels + channel) * rows * columns + tl.program_id(1)
    scale = tl.load(scale_ptr + cell, mask=inside, other=0.0).to(tl.float32)
    if SHIFT:
        shift = tl.load(shift_ptr + cell, mask=inside, other=0.0).to(tl.float32)
    for step in range(STEPS):
        pixel = first + step * BP + tl.arange(0, BP)
        mask = inside[:, None] & (pixel < last)[None, :]
        at = base[:, None] + _offsets(pixel, top, left, cell_width, width, pixel_stride, GLOBAL)[None, :]
        out = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32) * scale[:, None]
        if SHIFT:
            out += shift[:, None]
        out += tl.load(shortcut_ptr + at, mask=mask, other=0.0).to(tl.float32)
        if RELU:
            out = tl.where(out < 0, 0.0, out)  # keeps NaN, as torch's ReLU does
        tl.store(out_ptr + at, out, mask=mask)


@triton.jit
def _backward_kernel(grad_ptr, out_ptr, x_ptr, scale_ptr, g_ptr, x_grad_ptr, products_ptr, sums_ptr, channels, height,
                     width, rows, columns, image_stride, channel_stride, pixel_stride, RELU: tl.constexpr,
                     GLOBAL: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, STEPS: tl.constexpr):
    image, channel, inside, top, left, cell_width, first, last = _place(channels, height, width, rows, columns, BC,
                                                                        BP * STEPS)
    base = image * image_stride + channel.to(tl.int64) * channel_stride
    cell = (image * channels + channel) * rows * columns + tl.program_id(1)
    scale = tl.load(scale_ptr + cell, mask=inside, other=0.0).to(tl.float32)
    products = tl.zeros((BC, BP), tl.float32)
    sums = tl.zeros((BC, BP), tl.float32)
    for step in range(STEPS):
        pixel = first + step * BP + tl.arange(0, BP)
        mask = inside[:, None] & (pixel < last)[None, :]
        at = base[:, None] + _offsets(pixel, top, left, cell_width, width, pixel_stride, GLOBAL)[None, :]
        g = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
        if RELU:
            g = tl.where(tl.load(out_ptr + at, mask=mask, other=0.0).to(tl.float32) > 0, g, 0.0)
            tl.store(g_ptr + at, g, mask=mask)
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        tl.store(x_grad_ptr + at, g * scale[:, None], mask=mask)
        products += g * x
        sums += g
    images = tl.num_programs(0) // tl.cdiv(channels, BC)
    target = tl.program_id(2) * images * channels * rows * columns + cell
    tl.store(products_ptr + target, tl.sum(products, 1), mask=inside)
    tl.store(sums_ptr + target, tl.sum(sums, 1), mask=inside)


@triton.jit
def _affine_kernel(grad_ptr, x_ptr, slope_ptr, offset_ptr, channels, height, width, image_stride, channel_stride,
                   pixel_stride, SLOPE: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, STEPS: tl.constexpr):
    image, channel, inside, _, _, _, first, last = _place(channels, height, width, 1, 1, BC, BP * STEPS)
    base = image * image_stride + channel.to(tl.int64) * channel_stride
    offset = tl.load(offset_ptr + image * channels + channel, mask=inside, other=0.0).to(tl.float32)
    if SLOPE:
        slope = tl.load(slope_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    for step in range(STEPS):
        pixel = first + step * BP + tl.arange(0, BP)
        mask = inside[:, None] & (pixel < last)[None, :]
        at = base[:, None] + (pixel * pixel_stride)[None, :]
        total = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32) + offset[:, None]
        if SLOPE:
            total += tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32) * slope[:, None]
        tl.store(grad_ptr + at, total, mask=mask)


class _Launch:
    """Grid, strides and tile for maps like ``x`` and a gate of ``rows`` x ``columns`` cells."""

    def __init__(self, x: Tensor, rows: int = 1, columns: int = 1):
        n, c, height, width = x.shape
        channels_last = layout_of(x) is torch.channels_last
        pixels = triton.cdiv(height, rows) * triton.cdiv(width, columns)  # of the largest cell
        if channels_last:
            bc = min(64, triton.next_power_of_2(c))
            bp = min(TILE // bc, triton.next_power_of_2(pixels))
        else:
            bp = min(TILE, triton.next_power_of_2(pixels))
            bc = min(TILE // bp, triton.next_power_of_2(c))
        # Few different numbers of steps, as each is a kernel of its own: detectors see maps of many sizes.
        steps = min(LONGEST[channels_last], triton.next_power_of_2(triton.cdiv(pixels, bp)))
        chunks = triton.cdiv(pixels, bp * steps)
        self.grid = (n * triton.cdiv(c, bc), rows * columns, chunks)
        strides = (c * height * width, 1, c) if channels_last else (c * height * width, height * width, 1)
        self.map = (c, height, width, *strides)
        self.cells = (c, height, width, rows, columns, *strides)
        self.tile = dict(BC=bc, BP=bp, STEPS=steps)
        self.partial = (chunks, n, c, rows, columns)


def layout_of(x: Tensor) -> torch.memory_format:
    """Return the layout in which kernels take ``x``: its own, or contiguous."""
    if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def _like(x: Tensor, *others: Tensor) -> list[Tensor]:
    """Return all tensors in one layout, copies where they are not."""
    layout = layout_of(x)
    return [tensor.contiguous(memory_format=layout) for tensor in (x, *others)]


def moments(x: Tensor, with_variance: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return means ``(N, C)``, their mean ``(C,)``, and the variance ``(C,)`` or None, in one pass."""
    x, = _like(x)
    n, c, height, width = x.shape
    pixels = height * width
    # Sums of values near zero: each channel is taken relative to one of its own values.
    center = x[0, :, height // 2, width // 2].float().contiguous()
    launch = _Launch(x)
    sums = torch.empty(launch.partial, dtype=torch.float32, device=x.device)
    squares = torch.empty_like(sums) if with_variance else sums
    _sums_kernel[launch.grid](x, center, sums, squares, *launch.map, SQUARES=with_variance, **launch.tile)
    relative = sums.sum(0).view(n, c) / pixels
    mean = relative.mean(0)
    variance = None
    if with_variance:
        variance = (squares.sum((0, 1)).view(c) / (n * pixels) - mean.square()).clamp_(min=0)
    return relative + center, mean + center, variance


def scale_shift_add(x: Tensor, scale: Tensor, shift: Tensor | None, shortcut: Tensor, relu: bool) -> Tensor:
    """Return ``relu(scale * x + shift + shortcut)``; see :func:`reference.scale_shift_add`."""
    x, shortcut = _like(x, shortcut)
    scale = scale.contiguous()
    shift = scale if shift is None else shift.contiguous()
    rows, columns = scale.shape[-2:]
    launch, out = _Launch(x, rows, columns), torch.empty_like(x)
    _forward_kernel[launch.grid](x, scale, shift, shortcut, out, *launch.cells, SHIFT=shift is not scale, RELU=relu,
                                 GLOBAL=rows * columns == 1, **launch.tile)
    return out


def scale_shift_add_backward(grad: Tensor, out: Tensor | None, x: Tensor, scale: Tensor
                             ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of shortcut, x, scale and shift; see :func:`torch_code.scale_shift_add_backward`."""
    relu = out is not None
    x, grad, out = _like(x, grad, out if relu else grad)
    scale = scale.contiguous()
    rows, columns = scale.shape[-2:]
    launch = _Launch(x, rows, columns)
    g = torch.empty_like(x) if relu else grad
    x_grad = torch.empty_like(x)
    products = torch.empty(launch.partial, dtype=torch.float32, device=x.device)
    sums = torch.empty_like(products)
    _backward_kernel[launch.grid](grad, out, x, scale, g, x_grad, products, sums, *launch.cells, RELU=relu,
                                  GLOBAL=rows * columns == 1, **launch.tile)
    return g, x_grad, products.sum(0), sums.sum(0)


def add_affine_(grad: Tensor, x: Tensor, slope: Tensor | None, offset: Tensor) -> Tensor:
    """Add ``slope * x + offset`` to ``grad``, in place; see :func:`torch_code.add_affine`."""
    x, total = _like(x, grad)
    launch = _Launch(x)
    offset = offset.contiguous()
    _affine_kernel[launch.grid](total, x, offset if slope is None else slope.contiguous(), offset, *launch.map,
                                SLOPE=slope is not None, **launch.tile)
    return total

"""The kernels of ``triton.py`` for gates of many cells; what ``triton_kernels.py`` says holds here too."""

import triton
import triton.language as tl

from se_backbones.ops.residual_tail.triton_kernels import SIZES, affine_of_norm


@triton.jit(do_not_specialize=SIZES)
def local_tail_kernel(x_ptr, gate_ptr, shortcut_ptr, scale_ptr, shift_ptr, out_ptr, channels, pixels, height, width,
                      grid_rows, grid_columns, tiles, RELU: tl.constexpr, CHANNELS_LAST: tl.constexpr,
                      ALIGN: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr):
    """The output, with a gate of many cells: a tile of pixels, whose cells are found once for ``tiles`` channel blocks.

    The map is one flat run here too; what a cell covers is left to the gate's address.
    """
    groups = tl.cdiv(channels, BC * tiles)
    program, i, j = tl.program_id(0), tl.arange(0, BC), tl.arange(0, BP)
    cells = grid_rows * grid_columns
    if CHANNELS_LAST:
        channels = channels // ALIGN * ALIGN
        blocks = tl.cdiv(pixels, BP)
        group, block, image = program % groups, program // groups % blocks, program // groups // blocks
    else:
        pixels = pixels // ALIGN * ALIGN
        blocks = tl.cdiv(pixels, BP)
        block, group, image = program % blocks, program // blocks % groups, program // blocks // groups
    pixel = block * BP + j
    row = pixel // width
    column = pixel - row * width
    cell = (row * grid_rows // height) * grid_columns + column * grid_columns // width
    image = image.to(tl.int64)
    for number in range(tiles):
        first = (group * tiles + number) * BC
        channel = first + i
        inside = channel < channels
        mask = inside[:, None] & (pixel < pixels)[None, :]
        if CHANNELS_LAST:
            start, offsets = (image * pixels + block * BP) * channels + first, i[:, None] + j[None, :] * channels
            gate_start, places = image * cells * channels + first, i[:, None] + cell[None, :] * channels
        else:
            start, offsets = (image * channels + first) * pixels + block * BP, i[:, None] * pixels + j[None, :]
            gate_start, places = (image * channels + first) * cells, i[:, None] * cells + cell[None, :]
        scale, shift = affine_of_norm(scale_ptr, shift_ptr, channel, inside)
        gate = tl.load(gate_ptr + gate_start + places, mask=mask, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        out = gate * (x * scale[:, None] + shift[:, None])
        out += tl.load(shortcut_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        if RELU:
            out = tl.where(out < 0, 0.0, out)
        tl.store(out_ptr + start + offsets, out, mask=mask)


@triton.jit(do_not_specialize=SIZES)
def local_tail_backward_kernel(grad_ptr, out_ptr, x_ptr, gate_ptr, scale_ptr, shift_ptr, g_ptr, x_grad_ptr,
                               gate_grad_ptr, scale_grad_ptr, shift_grad_ptr, channels, height, width, grid_rows,
                               grid_columns, widest, CHANNELS_LAST: tl.constexpr, ALIGN: tl.constexpr,
                               EVEN: tl.constexpr, BC: tl.constexpr, CELLS: tl.constexpr, CW: tl.constexpr):
    """g, ``a s g``, the gate's gradient, and partial sums of those of a and b, with a gate of many cells.

    A program takes BC channels of CELLS cells side by side and goes down the rows of these cells; CW slots stand for
    the columns of a cell (of ``widest`` columns at most), so that a cell's sum is one over slots. Where all cells are
    CW wide (EVEN), slots are columns one after the other, known to the compiler as such.
    """
    BP: tl.constexpr = CELLS * CW
    i, j = tl.arange(0, BC), tl.arange(0, BP)
    if CHANNELS_LAST:
        channels = channels // ALIGN * ALIGN
    else:
        width = width // ALIGN * ALIGN
    channel_blocks, cell_blocks = tl.cdiv(channels, BC), tl.cdiv(grid_columns, CELLS)
    part = tl.program_id(0) // channel_blocks  # of image, row of cells, block of cells
    first_channel, first_cell = tl.program_id(0) % channel_blocks * BC, part % cell_blocks * CELLS
    cell_row, image = part // cell_blocks % grid_rows, (part // cell_blocks // grid_rows).to(tl.int64)
    channel = first_channel + i
    inside = channel < channels
    # Pixel p is in cell p * cells // length, so a cell begins at ceil(cell * length / cells).
    top = (cell_row * height + grid_rows - 1) // grid_rows
    bottom = ((cell_row + 1) * height + grid_rows - 1) // grid_rows
    cell = first_cell + j // CW
    left = (cell * width + grid_columns - 1) // grid_columns
    right = ((cell + 1) * width + grid_columns - 1) // grid_columns

    cells = grid_rows * grid_columns
    first_gate = cell_row * grid_columns + first_cell
    if CHANNELS_LAST:
        gate_ptr += (image * cells + first_gate) * channels + first_channel
        gate_grad_ptr += (image * cells + first_gate) * channels + first_channel
        gate_stride, cell_stride = 1, channels
    else:
        gate_ptr += (image * channels + first_channel) * cells + first_gate
        gate_grad_ptr += (image * channels + first_channel) * cells + first_gate
        gate_stride, cell_stride = cells, 1
    scale, shift = affine_of_norm(scale_ptr, shift_ptr, channel, inside)
    factor = tl.load(gate_ptr + i[:, None] * gate_stride + (j // CW)[None, :] * cell_stride,
                     mask=inside[:, None] & (cell < grid_columns)[None, :], other=0.0).to(tl.float32) * scale[:, None]

    products = tl.zeros((BC, BP), tl.float32)
    sums = tl.zeros((BC, BP), tl.float32)
    for row in range(top, bottom):
        for begin in range(0, widest, CW):
            if EVEN:
                column = first_cell * CW + j
                mask = inside[:, None] & (column < width)[None, :]
            else:
                column = left + begin + j % CW
                mask = inside[:, None] & ((column < right) & (cell < grid_columns))[None, :]
            if CHANNELS_LAST:
                start = (image * height + row) * width * channels + first_channel
                offsets = i[:, None] + column[None, :] * channels
            else:
                start = ((image * channels + first_channel) * height + row) * width
                offsets = i[:, None] * (height * width) + column[None, :]
            g = tl.load(grad_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
            if out_ptr is not None:
                g = tl.where(tl.load(out_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32) <= 0, 0.0, g)
                tl.store(g_ptr + start + offsets, g, mask=mask)
            tl.store(x_grad_ptr + start + offsets, g * factor, mask=mask)
            sums += g
            products += g * tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
    products = tl.sum(tl.reshape(products, (BC, CELLS, CW)), 2)
    sums = tl.sum(tl.reshape(sums, (BC, CELLS, CW)), 2)
    slot = tl.arange(0, CELLS)
    at = i[:, None] * gate_stride + slot[None, :] * cell_stride
    mask = inside[:, None] & (first_cell + slot < grid_columns)[None, :]
    gate = tl.load(gate_ptr + at, mask=mask, other=0.0).to(tl.float32)
    tl.store(gate_grad_ptr + at, products * scale[:, None] + sums * shift[:, None], mask=mask)
    if scale_ptr is not None:
        tl.store(scale_grad_ptr + part * channels + channel, tl.sum(gate * products, 1), mask=inside)
        tl.store(shift_grad_ptr + part * channels + channel, tl.sum(gate * sums, 1), mask=inside)

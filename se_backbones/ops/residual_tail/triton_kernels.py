"""The kernels of ``triton.py``; the algebra is in ``naive.py``. Sums are in float32 and always in the same order.

Tiles are BC channels by BP pixels. Memory runs along the pixels of a map in NCHW, whose maps are rows one after the
other (image 1 channel 0 follows image 0 channel C - 1), and along the channels of a pixel in channels_last. A program
takes one block of channels (in NCHW: of rows) and ``tiles`` tiles of pixels; its sums are one row of ``(chunks, N, C)``
partials, which a finalise kernel adds up.

A thread reads 128 bits at a time only if the compiler knows that addresses and masks are multiples of it. So masks
compare with the length of the map or of the pixel, which is a multiple of ALIGN, nothing in a mask comes from
rectangles, and sizes are not specialised on otherwise: maps of all sizes share a few compiled kernels. Offsets within a
tile are 32 bits, those of a tile 64 bits.
"""

import triton
import triton.language as tl

SIZES = ('rows', 'images', 'channels', 'pixels', 'height', 'width', 'grid_rows', 'grid_columns', 'widest', 'chunks',
         'tiles')


@triton.jit
def _place(rows, channels, pixels, chunks, tiles, CHANNELS_LAST: tl.constexpr, ALIGN: tl.constexpr, BC: tl.constexpr,
           BP: tl.constexpr):
    """Return where this program works.

    Returns:
        ``row`` ``(BC,)``: places in ``(N, C)``; ``channel`` ``(BC,)``; their mask; ``offsets`` ``(BC, BP)`` of a tile
        from ``base + pixel * stride``; ``pixels``, known to be a multiple of ALIGN in NCHW; first and last pixel; the
        chunk's number.
    """
    program = tl.program_id(0)
    i, j = tl.arange(0, BC), tl.arange(0, BP)
    if CHANNELS_LAST:
        channels = channels // ALIGN * ALIGN
        blocks = tl.cdiv(channels, BC)
        channel = (program % blocks) * BC + i
        chunk, image = (program // blocks) % chunks, program // blocks // chunks
        row, inside = image * channels + channel, channel < channels
        base = image.to(tl.int64) * pixels * channels + (program % blocks) * BC
        offsets = i[:, None] + j[None, :] * channels
        stride = channels.to(tl.int64)
    else:
        pixels = pixels // ALIGN * ALIGN
        chunk, first_row = program % chunks, program // chunks * BC
        row = first_row + i
        inside, channel = row < rows, row % channels
        base = first_row.to(tl.int64) * pixels
        offsets = i[:, None] * pixels + j[None, :]
        stride = tl.full((), 1, tl.int64)
    first = chunk * tiles * BP
    return row, channel, inside, base, offsets, stride, pixels, first, tl.minimum(first + tiles * BP, pixels), chunk


@triton.jit(do_not_specialize=SIZES)
def sums_kernel(x_ptr, sums_ptr, squares_ptr, rows, channels, pixels, chunks, tiles, CHANNELS_LAST: tl.constexpr,
                ALIGN: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr):
    """Sums over each map of x, and where they are wanted of squares; then relative to a value of the channel."""
    row, channel, inside, base, offsets, stride, pixels, first, last, chunk = _place(
        rows, channels, pixels, chunks, tiles, CHANNELS_LAST, ALIGN, BC, BP)
    center = _center(x_ptr, channel, inside, channels, pixels, squares_ptr, CHANNELS_LAST)
    sums = tl.zeros((BC, BP), tl.float32)
    squares = tl.zeros((BC, BP), tl.float32)
    for pixel in range(first, last, BP):
        start = base + pixel * stride
        mask = inside[:, None] & (pixel + tl.arange(0, BP) < pixels)[None, :]
        x = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        if squares_ptr is not None:
            x = tl.where(mask, x - center[:, None], 0.0)
            squares += x * x
        sums += x
    tl.store(sums_ptr + chunk * rows + row, tl.sum(sums, 1), mask=inside)
    if squares_ptr is not None:
        tl.store(squares_ptr + chunk * rows + row, tl.sum(squares, 1), mask=inside)


@triton.jit
def _center(x_ptr, channel, inside, channels, pixels, squares_ptr, CHANNELS_LAST: tl.constexpr):
    """Return the value from which a channel's deviations are taken, so that sums of squares are of small numbers: its
    middle one of the first image. Zero where there are no squares."""
    middle = pixels // 2
    if CHANNELS_LAST:
        at = middle.to(tl.int64) * channels + channel
    else:
        at = channel.to(tl.int64) * pixels + middle
    if squares_ptr is None:
        center = tl.zeros(channel.shape, tl.float32)
    else:
        center = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    return center


@triton.jit(do_not_specialize=SIZES)
def norm_kernel(x_ptr, sums_ptr, squares_ptr, weight_ptr, bias_ptr, running_mean_ptr, running_var_ptr, mean_ptr,
                inverse_ptr, scale_ptr, shift_ptr, means_ptr, z_ptr, images, channels, pixels, chunks, per_value, eps,
                factor, unbiased_factor, CHANNELS_LAST: tl.constexpr, UPDATE: tl.constexpr, BN: tl.constexpr,
                BC: tl.constexpr):
    """Finalise a norm: from partial sums to mean, 1 / deviation, a, b, and the means of maps before and after it."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    inside = channel < channels
    center = _center(x_ptr, channel, inside, channels, pixels, squares_ptr, CHANNELS_LAST)
    if squares_ptr is None:
        mean = tl.load(running_mean_ptr + channel, mask=inside, other=0.0).to(tl.float32)
        variance = tl.load(running_var_ptr + channel, mask=inside, other=1.0).to(tl.float32)
    else:
        sums = tl.zeros((BN, BC), tl.float32)
        squares = tl.zeros((BN, BC), tl.float32)
        for part in range(0, images * chunks, BN):
            n = part + tl.arange(0, BN)
            at, mask = n[:, None] * channels + channel[None, :], (n < images * chunks)[:, None] & inside[None, :]
            sums += tl.load(sums_ptr + at, mask=mask, other=0.0)
            squares += tl.load(squares_ptr + at, mask=mask, other=0.0)
        relative = tl.sum(sums, 0) * per_value
        mean = relative + center
        variance = tl.sum(squares, 0) * per_value - relative * relative
        variance = tl.where(variance < 0, 0.0, variance)  # keeps NaN
        if UPDATE:
            before = tl.load(running_mean_ptr + channel, mask=inside, other=0.0).to(tl.float32)
            tl.store(running_mean_ptr + channel, before * (1 - factor) + mean * factor, mask=inside)
            before = tl.load(running_var_ptr + channel, mask=inside, other=0.0).to(tl.float32)
            tl.store(running_var_ptr + channel, before * (1 - factor) + variance * unbiased_factor, mask=inside)
    inverse = 1 / tl.sqrt_rn(variance + eps)
    scale = inverse
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    shift = -mean * scale
    if bias_ptr is not None:
        shift += tl.load(bias_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    tl.store(mean_ptr + channel, mean, mask=inside)
    tl.store(inverse_ptr + channel, inverse, mask=inside)
    tl.store(scale_ptr + channel, scale, mask=inside)
    tl.store(shift_ptr + channel, shift, mask=inside)
    if z_ptr is not None:
        for image in range(0, images, BN):
            n = image + tl.arange(0, BN)
            at, mask = n[:, None] * channels + channel[None, :], (n < images)[:, None] & inside[None, :]
            total = tl.zeros((BN, BC), tl.float32)
            for chunk in range(chunks):
                total += tl.load(sums_ptr + chunk * images * channels + at, mask=mask, other=0.0)
            means = total / pixels + center[None, :]
            tl.store(means_ptr + at, means, mask=mask)
            tl.store(z_ptr + at, means * scale[None, :] + shift[None, :], mask=mask)


@triton.jit
def affine_of_norm(scale_ptr, shift_ptr, channel, inside):
    """Return a and b; 1 and 0 without a norm."""
    if scale_ptr is None:
        scale = tl.full(channel.shape, 1.0, tl.float32)
        shift = tl.zeros(channel.shape, tl.float32)
    else:
        scale = tl.load(scale_ptr + channel, mask=inside, other=0.0)
        shift = tl.load(shift_ptr + channel, mask=inside, other=0.0)
    return scale, shift


@triton.jit(do_not_specialize=SIZES)
def tail_kernel(x_ptr, gate_ptr, shortcut_ptr, scale_ptr, shift_ptr, out_ptr, rows, channels, pixels, chunks, tiles,
                RELU: tl.constexpr, CHANNELS_LAST: tl.constexpr, ALIGN: tl.constexpr, BC: tl.constexpr,
                BP: tl.constexpr):
    """The output, with a gate of one cell."""
    row, channel, inside, base, offsets, stride, pixels, first, last, _ = _place(
        rows, channels, pixels, chunks, tiles, CHANNELS_LAST, ALIGN, BC, BP)
    gate = tl.load(gate_ptr + row, mask=inside, other=0.0).to(tl.float32)
    scale, shift = affine_of_norm(scale_ptr, shift_ptr, channel, inside)
    factor, term = (gate * scale)[:, None], (gate * shift)[:, None]
    for pixel in range(first, last, BP):
        start = base + pixel * stride
        mask = inside[:, None] & (pixel + tl.arange(0, BP) < pixels)[None, :]
        out = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32) * factor + term
        out += tl.load(shortcut_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        if RELU:
            out = tl.where(out < 0, 0.0, out)  # keeps NaN, as torch's ReLU does
        tl.store(out_ptr + start + offsets, out, mask=mask)


@triton.jit(do_not_specialize=SIZES)
def tail_backward_kernel(grad_ptr, out_ptr, x_ptr, gate_ptr, scale_ptr, g_ptr, x_grad_ptr, products_ptr, sums_ptr, rows,
                         channels, pixels, chunks, tiles, CHANNELS_LAST: tl.constexpr, ALIGN: tl.constexpr,
                         BC: tl.constexpr, BP: tl.constexpr):
    """g, ``a s g`` and the partial sums of ``g x`` and g, with a gate of one cell; no ReLU where there is no output."""
    row, channel, inside, base, offsets, stride, pixels, first, last, chunk = _place(
        rows, channels, pixels, chunks, tiles, CHANNELS_LAST, ALIGN, BC, BP)
    gate = tl.load(gate_ptr + row, mask=inside, other=0.0).to(tl.float32)
    scale, _ = affine_of_norm(scale_ptr, scale_ptr, channel, inside)
    products = tl.zeros((BC, BP), tl.float32)
    sums = tl.zeros((BC, BP), tl.float32)
    for pixel in range(first, last, BP):
        start = base + pixel * stride
        mask = inside[:, None] & (pixel + tl.arange(0, BP) < pixels)[None, :]
        g = tl.load(grad_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        if out_ptr is not None:
            g = tl.where(tl.load(out_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32) <= 0, 0.0, g)
            tl.store(g_ptr + start + offsets, g, mask=mask)
        tl.store(x_grad_ptr + start + offsets, g * (gate * scale)[:, None], mask=mask)
        products += g * x
        sums += g
    tl.store(products_ptr + chunk * rows + row, tl.sum(products, 1), mask=inside)
    tl.store(sums_ptr + chunk * rows + row, tl.sum(sums, 1), mask=inside)


@triton.jit(do_not_specialize=SIZES)
def gate_backward_kernel(products_ptr, sums_ptr, gate_ptr, scale_ptr, shift_ptr, gate_grad_ptr, scale_grad_ptr,
                         shift_grad_ptr, images, channels, chunks, BN: tl.constexpr, BC: tl.constexpr):
    """Finalise: from partial sums to the gradients of gate, a and b."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    inside = channel < channels
    scale, shift = affine_of_norm(scale_ptr, shift_ptr, channel, inside)
    scale_grad = tl.zeros((BN, BC), tl.float32)
    shift_grad = tl.zeros((BN, BC), tl.float32)
    for image in range(0, images, BN):
        n = image + tl.arange(0, BN)
        at, mask = n[:, None] * channels + channel[None, :], (n < images)[:, None] & inside[None, :]
        products = tl.zeros((BN, BC), tl.float32)
        sums = tl.zeros((BN, BC), tl.float32)
        for chunk in range(chunks):
            products += tl.load(products_ptr + chunk * images * channels + at, mask=mask, other=0.0)
            sums += tl.load(sums_ptr + chunk * images * channels + at, mask=mask, other=0.0)
        gate = tl.load(gate_ptr + at, mask=mask, other=0.0).to(tl.float32)
        tl.store(gate_grad_ptr + at, products * scale[None, :] + sums * shift[None, :], mask=mask)
        scale_grad += gate * products
        shift_grad += gate * sums
    if scale_ptr is not None:
        tl.store(scale_grad_ptr + channel, tl.sum(scale_grad, 0), mask=inside)
        tl.store(shift_grad_ptr + channel, tl.sum(shift_grad, 0), mask=inside)


@triton.jit(do_not_specialize=SIZES)
def norm_backward_kernel(scale_grad_ptr, shift_grad_ptr, z_grad_ptr, weight_ptr, mean_ptr, inverse_ptr, means_ptr,
                         weight_grad_ptr, bias_grad_ptr, slope_ptr, offset_ptr, images, channels, per_pixel, per_value,
                         BN: tl.constexpr, BC: tl.constexpr):
    """Finalise: the gradients of gamma and beta, and the map ``k x + l`` that x's gradient lacks.

    There is no k with running statistics, and no l where z was not wanted either.
    """
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    inside = channel < channels
    scale_grad = tl.load(scale_grad_ptr + channel, mask=inside, other=0.0)
    shift_grad = tl.load(shift_grad_ptr + channel, mask=inside, other=0.0)
    mean = tl.load(mean_ptr + channel, mask=inside, other=0.0)
    inverse = tl.load(inverse_ptr + channel, mask=inside, other=0.0)
    if z_grad_ptr is not None:
        squeezed = tl.zeros((BN, BC), tl.float32)
        products = tl.zeros((BN, BC), tl.float32)
        for image in range(0, images, BN):
            n = image + tl.arange(0, BN)
            at, mask = n[:, None] * channels + channel[None, :], (n < images)[:, None] & inside[None, :]
            z_grad = tl.load(z_grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
            squeezed += z_grad
            products += z_grad * tl.load(means_ptr + at, mask=mask, other=0.0)
        scale_grad += tl.sum(products, 0)
        shift_grad += tl.sum(squeezed, 0)
    weight_grad = (scale_grad - mean * shift_grad) * inverse
    scale = inverse
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel, mask=inside, other=0.0).to(tl.float32)
        tl.store(weight_grad_ptr + channel, weight_grad, mask=inside)
    if bias_grad_ptr is not None:
        tl.store(bias_grad_ptr + channel, shift_grad, mask=inside)
    common = tl.zeros((BC,), tl.float32)
    if slope_ptr is not None:
        slope = -scale * inverse * weight_grad * per_value
        common = -slope * mean - scale * shift_grad * per_value
        tl.store(slope_ptr + channel, slope, mask=inside)
    if offset_ptr is not None:
        for image in range(0, images, BN):
            n = image + tl.arange(0, BN)
            at, mask = n[:, None] * channels + channel[None, :], (n < images)[:, None] & inside[None, :]
            offset = tl.zeros((BN, BC), tl.float32) + common[None, :]
            if z_grad_ptr is not None:
                offset += tl.load(z_grad_ptr + at, mask=mask, other=0.0).to(tl.float32) * (scale * per_pixel)[None, :]
            tl.store(offset_ptr + at, offset, mask=mask)


@triton.jit(do_not_specialize=SIZES)
def affine_kernel(x_grad_ptr, x_ptr, slope_ptr, offset_ptr, rows, channels, pixels, chunks, tiles,
                  CHANNELS_LAST: tl.constexpr, ALIGN: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr):
    """Add ``k x + l`` to x's gradient, in place."""
    row, channel, inside, base, offsets, stride, pixels, first, last, _ = _place(
        rows, channels, pixels, chunks, tiles, CHANNELS_LAST, ALIGN, BC, BP)
    offset = tl.load(offset_ptr + row, mask=inside, other=0.0)[:, None]
    if slope_ptr is not None:
        slope = tl.load(slope_ptr + channel, mask=inside, other=0.0)[:, None]
    for pixel in range(first, last, BP):
        start = base + pixel * stride
        mask = inside[:, None] & (pixel + tl.arange(0, BP) < pixels)[None, :]
        total = tl.load(x_grad_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32) + offset
        if slope_ptr is not None:
            total += tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32) * slope
        tl.store(x_grad_ptr + start + offsets, total, mask=mask)

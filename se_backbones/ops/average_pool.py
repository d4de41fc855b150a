"""Average pooling at the extents of GE, one axis after the other (GE paper, section 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def average_pool(x: Tensor, extent: int) -> Tensor:
    """Return the means of windows of 2e - 1 pixels, e apart, padding not counted; autograd keeps only ``x``.

    The window's mean is the mean over columns of means over rows, since the counts factorise at the borders too: two
    one-dimensional pools do 2 (2e - 1) additions per output where the square window does (2e - 1)^2.

    Args:
        x: ``(N, C, H, W)``.
        extent: e.

    Returns:
        ``(N, C, ceil(H / e), ceil(W / e))``.
    """
    if x.is_contiguous() and x.device.type == 'cpu' and x.dtype in (torch.float32, torch.float64):
        # Torch pools NCHW on a CPU one value at a time; these are matrix products, whose constant factors are all that
        # autograd keeps.
        with torch.autocast('cpu', enabled=False):
            over_rows = torch.matmul(_window_means(x.shape[2], extent, x).t(), x)
            return torch.matmul(over_rows, _window_means(x.shape[3], extent, x))
    return _AveragePool.apply(x, extent)


def average_pool_as_written(x: Tensor, extent: int) -> Tensor:
    """Return what :func:`average_pool` does by torch's pools alone, which exports and graphs of the network know."""
    rows, columns = _axes(extent)
    return F.avg_pool2d(F.avg_pool2d(x, *rows, count_include_pad=False), *columns, count_include_pad=False)


def _window_means(size: int, extent: int, like: Tensor) -> Tensor:
    """Return the pooling of a row of ``size`` pixels as a matrix, ``(size, ceil(size / e))``."""
    centers = extent * torch.arange(-(-size // extent), device=like.device)
    inside = (torch.arange(size, device=like.device)[:, None] - centers).abs() < extent
    return inside.to(like.dtype) / inside.sum(0)


class _AveragePool(Function):
    """Backward of a pool needs the shape of its input alone: the map between the two pools is not kept."""

    @staticmethod
    def forward(ctx, x, extent):
        rows, columns = _axes(extent)
        ctx.extent = extent
        ctx.save_for_backward(x)
        between = F.avg_pool2d(x, *rows, count_include_pad=False)
        ctx.between = between.shape, between.stride()
        return F.avg_pool2d(between, *columns, count_include_pad=False)

    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        shape, strides = ctx.between
        rows, columns = _axes(ctx.extent)
        shapes = torch.empty_strided(shape, strides, dtype=x.dtype, device=x.device), x
        for (kernel, stride, padding), like in zip((columns, rows), shapes, strict=True):
            grad = torch.ops.aten.avg_pool2d_backward(grad, like, kernel, stride, padding, False, False, None)
        return grad, None


def _axes(extent: int) -> tuple:
    """Return kernel, stride and padding of the pool over rows and of the one over columns."""
    window, step, border = 2 * extent - 1, extent, extent - 1
    return ((window, 1), (step, 1), (border, 0)), ((1, window), (1, step), (0, border))

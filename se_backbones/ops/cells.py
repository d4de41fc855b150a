"""Maps on a coarser grid: which pixels a cell covers, in both directions (GE paper, section 3: nearest neighbour).

Pixel ``(i, j)`` of an H x W map belongs to cell ``(i * H' // H, j * W' // W)`` of an H' x W' grid. Indices are
integers: ``F.interpolate`` rounds ``i * H' / H`` in float32 and takes the cell before at sizes such as 198.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]


def cell_index(count: int, size: int, device: torch.device) -> Tensor:
    """Return the cell of each of ``size`` pixels in a row of ``count`` cells, ``(size,)``."""
    return torch.arange(size, device=device) * count // size


def upsample_nearest(cells: Tensor, size: Size) -> Tensor:
    """Return ``cells`` ``(N, C, H', W')`` at the size of the pixels ``(N, C, H, W)``, or (1, 1), which broadcasts."""
    height, width = size
    rows, columns = cells.shape[-2:]
    if (rows, columns) in ((1, 1), (height, width)):
        return cells
    return repeat_cells(repeat_cells(cells, 2, height), 3, width)


def repeat_cells(cells: Tensor, axis: int, size: int) -> Tensor:
    """Return ``cells`` with each one along ``axis`` (2 or 3) as often as it has pixels: ``size`` entries."""
    count = cells.shape[axis]
    if count in (1, size):
        return cells.expand([size if number == axis else length for number, length in enumerate(cells.shape)])
    if size % count == 0:
        # A copy of a broadcast view takes a third of the time of an index.
        if cells.is_contiguous():
            return _copies(cells, axis, size // count)
        if cells.is_contiguous(memory_format=torch.channels_last):
            return _copies(cells.permute(0, 2, 3, 1), axis - 1, size // count).permute(0, 3, 1, 2)
    return cells.index_select(axis, cell_index(count, size, cells.device))


def _copies(cells: Tensor, axis: int, count: int) -> Tensor:
    shape = list(cells.shape)
    shape.insert(axis + 1, count)
    return cells.unsqueeze(axis + 1).expand(shape).flatten(axis, axis + 1)


def broadcast_views(x: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return views of pixels and cells that broadcast against each other, with the pixels' values in their order.

    Where cells have the same number of rows, only the columns of ``cells`` are repeated: the second view holds
    ``1 / (rows per cell)`` of the pixels, and its innermost loop runs over whole rows of memory.
    """
    height, width = x.shape[-2:]
    rows, columns = cells.shape[-2:]
    if (rows, columns) in ((1, 1), (height, width)):
        return x, cells
    if height % rows:
        return x, upsample_nearest(cells, (height, width))
    if columns not in (1, width):
        cells = repeat_cells(cells, 3, width)
    return x.unflatten(2, (rows, height // rows)), cells.unsqueeze(3)


def cell_sums(x: Tensor, grid: Size) -> Tensor:
    """Return the sum of the pixels of each cell: ``(N, C, H, W) -> (N, C, H', W')``."""
    height, width = x.shape[-2:]
    if tuple(grid) == (1, 1):
        return x.sum((2, 3), keepdim=True)
    if tuple(grid) == (height, width):
        return x.clone()
    if height % grid[0] == 0 and width % grid[1] == 0:
        cell = height // grid[0], width // grid[1]
        return F.avg_pool2d(x, cell, cell, divisor_override=1)
    if x.is_contiguous():
        # A product with a matrix of zeros and ones along each axis, the rows first, which leave long ones to be read.
        return torch.matmul(torch.matmul(_membership(grid[0], height, x).t(), x), _membership(grid[1], width, x))
    for axis, cells in ((2, grid[0]), (3, grid[1])):
        sums = x.new_zeros([cells if axis == number else length for number, length in enumerate(x.shape)])
        x = sums.index_add(axis, cell_index(cells, x.shape[axis], x.device), x)
    return x


def _membership(cells: int, size: int, like: Tensor) -> Tensor:
    """Return 1 where a pixel belongs to a cell, ``(size, cells)``."""
    return F.one_hot(cell_index(cells, size, like.device), cells).to(like.dtype)

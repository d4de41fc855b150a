"""Grids of cells against loops over pixels."""

import pytest
import torch

from se_backbones.ops.cells import broadcast_views, cell_sums, upsample_nearest

SIZES = [((8, 8), (4, 4)), ((9, 7), (3, 2)), ((7, 12), (4, 2)), ((5, 5), (1, 1)), ((4, 6), (4, 6)), ((1, 9), (1, 5)),
         ((6, 5), (3, 1))]


def owner(pixel, pixels, cells):
    return pixel * cells // pixels


@pytest.mark.parametrize(('size', 'grid'), SIZES)
def test_each_pixel_takes_the_value_of_its_cell(size, grid):
    cells = torch.randn(2, 3, *grid)
    full = upsample_nearest(cells, size).expand(2, 3, *size)
    for i in range(size[0]):
        for j in range(size[1]):
            assert torch.equal(full[:, :, i, j],
                               cells[:, :, owner(i, size[0], grid[0]), owner(j, size[1], grid[1])])


@pytest.mark.parametrize(('size', 'grid'), SIZES)
def test_sums_are_over_the_pixels_of_each_cell(size, grid, layout):
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout)
    wanted = torch.zeros(2, 3, *grid, dtype=torch.float64)
    for i in range(size[0]):
        for j in range(size[1]):
            wanted[:, :, owner(i, size[0], grid[0]), owner(j, size[1], grid[1])] += x[:, :, i, j]
    torch.testing.assert_close(cell_sums(x, grid), wanted)


@pytest.mark.parametrize(('size', 'grid'), SIZES)
def test_paired_views_broadcast_to_the_same_product(size, grid, layout):
    x, cells = torch.randn(2, 3, *size).contiguous(memory_format=layout), torch.randn(2, 3, *grid)
    pixels, factors = broadcast_views(x, cells)
    assert pixels.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    torch.testing.assert_close((pixels * factors).reshape(x.shape), x * upsample_nearest(cells, size))

"""Multiply features by a gate that lives on a coarser grid (GE paper, section 3: nearest-neighbour interpolation)."""

from torch import Tensor

from se_backbones.ops.cells import upsample_nearest


def gated_scale(x: Tensor, gate: Tensor) -> Tensor:
    """Return ``x * nearest(gate)``.

    Cell ``(i, j)`` of ``x`` is multiplied by cell ``(i * H' // H, j * W' // W)`` of the gate. Where the grids divide
    evenly (H' = W' = 1 included) the gate is indexed by a view and its full-size copy never exists.

    Args:
        x: Features, ``(N, C, H, W)``.
        gate: ``(N, C, H', W')`` with H' <= H and W' <= W.

    Returns:
        ``(N, C, H, W)``, in the memory format of ``x``.
    """
    height, width = x.shape[-2:]
    rows, columns = gate.shape[-2:]
    if (rows, columns) in ((1, 1), (height, width)) or height % rows or width % columns or not x.is_contiguous():
        # `view` below would copy a channels_last tensor, which costs more than the full-size gate.
        return x * upsample_nearest(gate, (height, width))
    cells = x.view(*x.shape[:2], rows, height // rows, columns, width // columns)
    return (cells * gate[:, :, :, None, :, None]).view_as(x)

"""RoIAlign (``mmcv/ops/roi_align.py``) on torchvision's kernels, RoIPool (``mmcv/ops/roi_pool.py``) by indexing.

RoIs are (K, 5): the image's index and x1, y1, x2, y2 in pixels of the image. Maps may have any memory layout; mmcv's
compiled RoIAlign reads channels_last ones as if they were NCHW. ``torch.ops`` is called rather than
``torchvision.ops.roi_align``, which turns to a slow version in Python under deterministic algorithms on CUDA; there the
backward raises torch's own error.
"""

import torch
import torchvision.ops  # noqa: F401  registers torch.ops.torchvision

from se_backbones.mmcv_ext.operators.absent import absent
from se_backbones.mmcv_ext.operators.precision import wide

# How many numbers RoIPool gathers at once: 128 MiB in float32.
GATHERED = 2**25


def roi_align_forward(input, rois, output, argmax_y, argmax_x, *, aligned_height, aligned_width, spatial_scale,
                      sampling_ratio, pool_mode, aligned):
    """Fill ``output`` (K, C, aligned_height, aligned_width) from ``input`` (N, C, H, W).

    Semantics: Detectron2's ROIAlign, of which both mmcv's and torchvision's are copies.

    Raises:
        OperatorAbsentError: ``pool_mode`` is not 1, the average.
        RuntimeError: A RoI has a negative size, with ``aligned``, on the CPU; as compiled.
    """
    if pool_mode != 1:
        absent("roi_align with pool_mode='max'")()
    if aligned and not rois.is_cuda and not torch.compiler.is_compiling():
        if not (rois[:, 3:] * spatial_scale - rois[:, 1:3] * spatial_scale >= 0).all():
            raise RuntimeError('ROIs in ROIAlign do not have non-negative size!')
    x, boxes = wide(input, rois)
    output.copy_(torch.ops.torchvision.roi_align(x, boxes, spatial_scale, aligned_height, aligned_width, sampling_ratio,
                                                 aligned))


def roi_align_backward(grad_output, rois, argmax_y, argmax_x, grad_input, *, aligned_height, aligned_width,
                       spatial_scale, sampling_ratio, pool_mode, aligned):
    """Fill ``grad_input`` (N, C, H, W)."""
    grad, boxes = wide(grad_output, rois)
    grad_input.copy_(torch.ops.torchvision._roi_align_backward(
        grad, boxes, spatial_scale, aligned_height, aligned_width, *grad_input.shape, sampling_ratio, aligned))


def roi_pool_forward(input, rois, output, argmax, *, pooled_height, pooled_width, spatial_scale):
    """Fill ``output`` (K, C, pooled_height, pooled_width) and ``argmax``, the pixel of each maximum or -1.

    Semantics: ``roi_pool_cuda_kernel.cuh``. Boxes end at x2 + 1 and y2 + 1 and are not rounded before they are divided,
    unlike torchvision's ``roi_pool``. An empty bin gives 0.
    """
    output.zero_()
    argmax.fill_(-1)
    height, width = input.shape[2:]
    boxes = wide(rois)[0].nan_to_num().clamp(-2**24, 2**24)
    start, end = boxes[:, 1:3] * spatial_scale, (boxes[:, 3:5] + 1) * spatial_scale
    rows = _bins(start[:, 1], end[:, 1], pooled_height, height)  # (K, bins, tallest), twice
    columns = _bins(start[:, 0], end[:, 0], pooled_width, width)
    solid = (end > start).all(1)[:, None, None, None]
    cells = rows[0][0].numel() * columns[0][0].numel() * input.size(1) if len(rois) else 0
    if not cells:
        return
    image = rois[:, 0].long()
    step = max(1, GATHERED // cells)
    for part in (slice(first, first + step) for first in range(0, len(rois), step)):
        y, x = rows[0][part][:, None, :, None, :, None], columns[0][part][:, None, None, :, None, :]
        inside = rows[1][part][:, None, :, None, :, None] & columns[1][part][:, None, None, :, None, :]
        channel = torch.arange(input.size(1), device=input.device)[None, :, None, None, None, None]
        found = input[image[part][:, None, None, None, None, None], channel, y, x]
        value, index = found.masked_fill_(~inside, -torch.inf).flatten(4).max(-1)
        pixel = (y * width + x).expand_as(inside).flatten(4).expand(*value.shape, -1)
        there = solid[part] & inside.flatten(4).any(-1)
        output[part] = value.where(there, 0)
        argmax[part] = pixel.gather(-1, index[..., None])[..., 0].where(there, -1).to(argmax.dtype)


def _bins(start: torch.Tensor, end: torch.Tensor, bins: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels (K, bins, longest) that the bins of K intervals cover, and which of these are in their bin."""
    number = torch.arange(bins, device=start.device, dtype=start.dtype)
    length = ((end - start) / bins)[:, None]
    first = (number * length + start[:, None]).floor().clamp(0, size).long()
    last = ((number + 1) * length + start[:, None]).ceil().clamp(0, size).long()
    longest = int((last - first).max()) if first.numel() else 0
    pixels = first[..., None] + torch.arange(longest, device=start.device)
    return pixels.clamp(max=size - 1), pixels < last[..., None]


def roi_pool_backward(grad_output, rois, argmax, grad_input, *, pooled_height, pooled_width, spatial_scale):
    """Add the gradients to the pixels of ``grad_input`` (N, C, H, W) that were the maxima."""
    number, channels = grad_input.shape[:2]
    grad, total = wide(grad_output, grad_input)
    there = argmax >= 0
    plane = (rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device))[:, :, None, None]
    index = plane * grad_input[0, 0].numel() + argmax
    flat = total.reshape(-1).index_put((index[there],), grad[there], accumulate=True)
    grad_input.copy_(flat.view_as(grad_input))

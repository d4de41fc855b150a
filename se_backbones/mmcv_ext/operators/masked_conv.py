"""The two halves of a convolution at chosen pixels (``mmcv/ops/masked_conv.py``; guided anchoring), by indexing.

Semantics: ``masked_conv2d_cuda_kernel.cuh``. One image, stride 1; pixels are given by their rows and columns.
"""

import torch
import torch.nn.functional as F


def masked_im2col_forward(im, mask_h_idx, mask_w_idx, col, *, kernel_h, kernel_w, pad_h, pad_w):
    """Fill ``col`` (C * kernel_h * kernel_w, pixels) with what the kernel sees at each pixel of ``im`` (1, C, H, W)."""
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(padded[:, rows, columns].flatten(0, 2))


def masked_col2im_forward(col, mask_h_idx, mask_w_idx, im, *, height, width, channels):
    """Write the results ``col`` (C', pixels) to their pixels of ``im`` (1, C', height, width)."""
    im[0][:, mask_h_idx, mask_w_idx] = col

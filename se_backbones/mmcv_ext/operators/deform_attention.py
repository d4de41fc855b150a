"""Multi-scale deformable attention (``mmcv/ops/multi_scale_deform_attn.py``) by mmcv's own version in Python.

mmcv calls these on CUDA alone, and that version on the CPU.
"""

import torch


def ms_deform_attn_forward(value, shapes, level_start, locations, weights, *, im2col_step):
    """Return (N, queries, heads * channels); ``value`` is (N, keys, heads, channels)."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def ms_deform_attn_backward(value, shapes, level_start, locations, weights, grad_output, grad_value, grad_locations,
                            grad_weights, *, im2col_step):
    """Fill the gradients of value, locations and weights. The forward is computed again: mmcv keeps no graph of it."""
    inputs = [x.detach().requires_grad_() for x in (value, locations, weights)]
    with torch.enable_grad():
        output = ms_deform_attn_forward(inputs[0], shapes, level_start, *inputs[1:], im2col_step=im2col_step)
    for target, grad in zip((grad_value, grad_locations, grad_weights),
                            torch.autograd.grad(output, inputs, grad_output)):
        target.copy_(grad)

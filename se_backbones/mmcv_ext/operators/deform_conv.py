"""Deformable convolutions (``mmcv/ops/deform_conv.py``, ``modulated_deform_conv.py``) on torchvision's kernels.

Both libraries order offsets alike: (N, groups * 2 * kh * kw, H', W'), y before x. Semantics: ``deform_conv.cpp`` and
``modulated_deform_conv.cpp`` in ``csrc/pytorch/cpu``. mmcv hands over empty buffers, ``columns`` and ``ones``.
"""

import torch
import torchvision.ops  # noqa: F401  registers torch.ops.torchvision

from se_backbones.mmcv_ext.operators.precision import wide


def _forward(x, weight, offset, mask, bias, *sizes):
    return torch.ops.torchvision.deform_conv2d(*wide(x, weight, offset, *_filled(x, weight, mask, bias)), *sizes,
                                               mask is not None)


def _backward(grad, x, weight, offset, mask, bias, *sizes):
    """Return the gradients of input, weight, offset, mask and bias."""
    return torch.ops.torchvision._deform_conv2d_backward(
        *wide(grad, x, weight, offset, *_filled(x, weight, mask, bias)), *sizes, mask is not None)


def _filled(x, weight, mask, bias):
    """Return mask and bias, or what torchvision wants to see in their places."""
    return (x.new_zeros(len(x), 1) if mask is None else mask), (x.new_zeros(len(weight)) if bias is None else bias)


def deform_conv_forward(input, weight, offset, output, columns, ones, *, kW, kH, dW, dH, padW, padH, dilationW,
                        dilationH, group, deformable_group, im2col_step):
    """Fill ``output`` (N, C', H', W')."""
    output.copy_(_forward(input, weight, offset, None, None, dH, dW, padH, padW, dilationH, dilationW, group,
                          deformable_group))


def deform_conv_backward_input(input, offset, grad_output, grad_input, grad_offset, weight, columns, *, kW, kH, dW, dH,
                               padW, padH, dilationW, dilationH, group, deformable_group, im2col_step):
    """Fill ``grad_input`` and ``grad_offset``."""
    grads = _backward(grad_output, input, weight, offset, None, None, dH, dW, padH, padW, dilationH, dilationW, group,
                      deformable_group)
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])
    # torchvision computes all gradients at once; mmcv asks for the weight's next, with the same gradient and buffer.
    columns.of = (grad_output, grads[1])


def deform_conv_backward_parameters(input, offset, grad_output, grad_weight, columns, ones, *, kW, kH, dW, dH, padW,
                                    padH, dilationW, dilationH, group, deformable_group, scale, im2col_step):
    """Add ``scale`` times the gradient to ``grad_weight``."""
    known, grad = columns.__dict__.pop('of', (None, None))
    if known is not grad_output:
        grad = _backward(grad_output, input, grad_weight, offset, None, None, dH, dW, padH, padW, dilationH, dilationW,
                         group, deformable_group)[1]
    grad_weight.add_(grad, alpha=scale)


def modulated_deform_conv_forward(input, weight, bias, ones, offset, mask, output, columns, *, kernel_h, kernel_w,
                                  stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group,
                                  with_bias):
    """Fill ``output`` (N, C', H', W')."""
    output.copy_(_forward(input, weight, offset, mask, bias if with_bias else None, stride_h, stride_w, pad_h, pad_w,
                          dilation_h, dilation_w, group, deformable_group))


def modulated_deform_conv_backward(input, weight, bias, ones, offset, mask, columns, grad_input, grad_weight,
                                   grad_bias, grad_offset, grad_mask, grad_output, *, kernel_h, kernel_w, stride_h,
                                   stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group, with_bias):
    """Fill the gradients of input, weight, offset, mask and, ``with_bias``, bias."""
    grads = _backward(grad_output, input, weight, offset, mask, bias if with_bias else None, stride_h, stride_w, pad_h,
                      pad_w, dilation_h, dilation_w, group, deformable_group)
    filled = [grad_input, grad_weight, grad_offset, grad_mask] + [grad_bias] * bool(with_bias)
    for target, grad in zip(filled, grads):
        target.copy_(grad)

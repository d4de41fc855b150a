"""The dot product of each map with a kernel of its size: the full-map depth-wise convolution of a global gather."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def map_dot(x: Tensor, weight: Tensor) -> Tensor:
    """Return the sum over each map of ``x * weight``, ``(N, C)``; in float32 for half-precision maps.

    Args:
        x: ``(N, C, H, W)``.
        weight: ``(C, H, W)``.
    """
    return _MapDot.apply(x, weight)


class _MapDot(Function):

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        if x.device.type == 'cpu' and x.is_contiguous() and x.dtype in (torch.float32, torch.float64):
            # In NCHW the convolution takes twice as long.
            return _image_by_image(x, weight)
        return F.conv2d(x, weight[:, None].to(x.dtype), groups=len(weight)).flatten(1).to(weight.dtype)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        again = torch.is_grad_enabled() or not torch._C._has_storage(grad)  # differentiated or vectorised over
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            kernel = weight[None]
            if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
                kernel = kernel.contiguous(memory_format=torch.channels_last)
            if again:
                x_grad = (grad[:, :, None, None] * kernel).to(x.dtype)
            else:
                # Written in x's precision at once: a product in float32 would be a new full-size tensor.
                x_grad = torch.mul(grad[:, :, None, None], kernel, out=torch.empty_like(x))
        if ctx.needs_input_grad[1]:
            if again:
                weight_grad = (grad[:, :, None, None] * x.to(grad.dtype)).sum(0)
            elif x.device.type == 'cpu':
                # Image by image: a product of the size of x would be a new full-size tensor.
                weight_grad = torch.zeros_like(x[0], dtype=grad.dtype)
                for image, factor in zip(x, grad, strict=True):
                    weight_grad.addcmul_(image, factor[:, None, None])
            else:
                weight_grad = _weight_gradient(grad, x)
        return x_grad, weight_grad


def _weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """Return the sum over images of ``grad * x``, ``(C, H, W)``; copies in float32 are of an eighth of x at most."""
    size = len(x) if x.dtype == grad.dtype else max(1, len(x) // 8)
    parts = [torch.einsum('nc,nchw->chw', factors, images.to(grad.dtype))
             for factors, images in zip(grad.split(size), x.split(size), strict=True)]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def _image_by_image(x: Tensor, weight: Tensor) -> Tensor:
    """Return the sums with the reduction of batch norm's backward, which reads both factors once and writes nothing."""
    kernel = weight[None].contiguous()
    zeros, ones = x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
    return torch.stack([torch.ops.aten.native_batch_norm_backward(
        kernel, image[None], ones, zeros, ones, zeros, ones, True, 0.0, [False, True, True])[1] for image in x])

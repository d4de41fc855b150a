"""The depth-wise 3x3 convolution of stride 2 that learned local gathers are made of (GE paper, section 3.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

# Values of a map above which the layout pays; see :class:`_DepthwiseConv3x3S2`.
LARGE = 1 << 10


def depthwise_conv3x3_s2(x: Tensor, weight: Tensor) -> Tensor:
    """Return the depth-wise 3x3 convolution of stride 2 and padding 1 of ``x``.

    Args:
        x: ``(N, C, H, W)``.
        weight: ``(C, 1, 3, 3)``.

    Returns:
        ``(N, C, ceil(H / 2), ceil(W / 2))``, in either layout.
    """
    if x.shape[-2:] == (1, 1):
        # The other taps lie on the padding.
        return _product(x, weight[:, 0, 1:2, 1:2])
    x = at_least_two_columns(x)
    if x.device.type == 'cpu' and x.is_contiguous() and x[0, 0].numel() > LARGE and x.dtype == weight.dtype:
        return _DepthwiseConv3x3S2.apply(x, weight)
    return F.conv2d(x, weight, None, 2, 1, 1, len(weight))


def at_least_two_columns(x: Tensor) -> Tensor:
    """Return ``x`` with a column of zeros more where its maps have one column: the same convolution, padded by hand.

    On a CPU torch's depth-wise 3x3 convolution of stride 2 in bfloat16 and channels_last returns uninitialised memory
    as the weight's gradient for maps of at most three rows and one column (torch 2.11).

    Args:
        x: ``(N, C, H, W)``.
    """
    return F.pad(x, (0, 1)) if x.shape[-1] == 1 and x.device.type == 'cpu' else x


def _product(x: Tensor, factors: Tensor) -> Tensor:
    """Return ``x * factors`` in the precision that autocast gives a convolution."""
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, factors = x.to(dtype), factors.to(dtype)
    return x * factors


class _DepthwiseConv3x3S2(Function):
    """From NCHW to channels_last, in which the norms and convolutions that follow are faster on a CPU.

    So is backward: the gradient of a large map takes 25 times as long in NCHW.
    """

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, None, 2, 1, 1, len(weight)).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            if torch.is_grad_enabled():
                x_grad = _gradients(grad, x, weight, (True, False, False))[0]
            else:
                # Its values are not read.
                like = torch.empty_like(x, memory_format=torch.channels_last)
                x_grad = _gradients(grad.contiguous(memory_format=torch.channels_last), like, weight,
                                    (True, False, False))[0].contiguous()
        if ctx.needs_input_grad[1]:
            weight_grad = _gradients(grad, x, weight, (False, True, False))[1]
        return x_grad, weight_grad


def _gradients(grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]) -> tuple:
    return torch.ops.aten.convolution_backward(grad, x, weight, None, (2, 2), (1, 1), (1, 1), False, (0, 0),
                                               len(weight), wanted)

"""A norm, its ReLU and the convolution after it inside a branch, without the map between them.

The function on full-size tensors is :func:`se_backbones.ops.norm_relu_conv.norm_relu_conv`. Here is when it applies.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from se_backbones.models.tail import tracing
from se_backbones.models.tail.in_place_tail import normed_in_place
from se_backbones.models.tail.norm_state import sees_one_value, update_running_statistics, uses_batch_statistics
from se_backbones.ops import dispatch
from se_backbones.ops.gated_residual import cpu
from se_backbones.ops.norm_relu_conv import Geometry, norm_relu_conv


def normed_conv(before: nn.Module, norm: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """Return ``conv(relu(norm(x)))``, ``(N, C', H', W')``; without autograd it may overwrite ``x``.

    Args:
        before: What made x, ``(N, C, H, W)``.
        norm, conv: What follows.
    """
    if _may_overwrite(before, norm, x):
        return conv(normed_in_place(norm, x).relu_())
    if not _may_fuse(norm, conv, x):
        return conv(F.relu(norm(x), inplace=True))
    if uses_batch_statistics(norm):
        with torch.no_grad():
            mean, variance = cpu.batch_moments(x)
        update_running_statistics(norm, mean, variance, x)
    else:
        mean, variance = norm.running_mean, norm.running_var
    geometry = Geometry(conv.stride, conv.padding, conv.dilation, conv.groups)
    return norm_relu_conv(x, norm.weight, norm.bias, mean, variance, norm.eps, uses_batch_statistics(norm), conv.weight,
                          geometry)


def _may_overwrite(before: nn.Module, norm: nn.Module, x: Tensor) -> bool:
    """Return whether the norm's input is read by nobody else: not by autograd, not by a hook that got it."""
    return (not torch.is_grad_enabled() and type(norm) is nn.BatchNorm2d and dispatch.code_for(x) == 'cpu'
            and not tracing.is_traced() and not tracing.is_watched((before, norm)))


def _may_fuse(norm: nn.Module, conv: nn.Module, x: Tensor) -> bool:
    """Return whether it saves something (in training, on a CPU) and nobody looks at what would not exist."""
    return (type(norm) is nn.BatchNorm2d and type(conv) is nn.Conv2d and torch.is_grad_enabled()
            and not tracing.is_traced() and dispatch.code_for(x, dispatch.LARGE_ENOUGH_INSIDE) == 'cpu'
            # What making the map again costs comes back where torch is slow: statistics of contiguous batches.
            and (dispatch.choice() == 'fused' or (x.is_contiguous() and uses_batch_statistics(norm)))
            and conv.weight.dtype == x.dtype and conv.bias is None and conv.padding_mode == 'zeros'
            and not isinstance(conv.padding, str) and not torch.is_autocast_enabled('cpu')
            and not sees_one_value(norm, x) and not tracing.is_watched((norm, conv)))

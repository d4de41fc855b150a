"""Gather operators: ``(N, C, H, W) -> (N, C, H', W')``, H' = ceil(H / e) for extent e, or 1 x 1 (GE paper, section 3).

With kernel 3, stride 2 and padding 1 each depth-wise convolution gives ceil(H / 2), and log2(e) of them have the
receptive field (2e - 1) that the paper states; its text says e / 2 convolutions, which contradicts this at e = 8.
"""

import logging
from functools import cache

import torch
import torch.fx
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from se_backbones.models.norms import add_norm
from se_backbones.ops import at_least_two_columns, average_pool, average_pool_as_written, depthwise_conv3x3_s2, map_dot
from se_backbones.ops.residual_tail import AffineFeatures

EXTENTS = (2, 4, 8, 'global')
torch.fx.wrap('at_least_two_columns')  # to torch.fx it is one operation: what it does depends on the size of the map


class GlobalPool(nn.Module):
    """Mean or maximum of each map: ``(N, C, H, W) -> (N, C, 1, 1)`` (SE paper, eq. 2)."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True) if self.kind == 'avg' else x.amax((2, 3), keepdim=True)

    @property
    def takes_affine(self) -> bool:
        """Means only: a maximum of y may be a minimum of x."""
        return self.kind == 'avg'

    needs_squeeze = True

    def of_affine(self, features: AffineFeatures) -> Tensor:
        """Return the gather of y; see :class:`AffineFeatures`."""
        return features.squeeze[:, :, None, None]

    def extra_repr(self) -> str:
        return self.kind


class LocalAveragePool(nn.Module):
    """Average pooling at extent e: kernel 2e - 1, stride e, padding e - 1, floor, padding not counted."""

    takes_affine = True
    needs_squeeze = False

    def __init__(self, extent: int):
        super().__init__()
        self.extent = extent

    def of_affine(self, features: AffineFeatures) -> Tensor:
        """Return the gather of y; see :class:`AffineFeatures`."""
        return features.applied(average_pool(features.x, self.extent))

    def forward(self, x: Tensor) -> Tensor:
        return average_pool_as_written(x, self.extent)

    def extra_repr(self) -> str:
        return f'extent={self.extent}'


class _LearnedGather(nn.Module):
    """Depth-wise convolutions, a norm after each, ReLU between them (theta) and after the last (theta-plus).

    Submodules are ``conv1``, ``bn1`` (or ``gn1``, ... after the norm's kind), ``conv2``, ...

    Attributes:
        inner_relu: Whether there is a ReLU between them.
    """

    inner_relu = True
    needs_squeeze = False
    _first_geometry: tuple  # kernel size, stride and padding that `_first_conv` takes for granted

    def __init__(self, kernels: list[dict], in_channels: int, norm_cfg: dict, final_relu: bool):
        super().__init__()
        self.final_relu = final_relu
        self._layers = []
        for number, kernel in enumerate(kernels, 1):
            layer = dict(type='Conv2d', groups=in_channels) | kernel
            self.add_module(f'conv{number}', build_conv_layer(dict(type=layer.pop('type')), in_channels, in_channels,
                                                              bias=False, **layer))
            self._layers.append((f'conv{number}', add_norm(self, norm_cfg, in_channels, number)))

    @property
    def last_norm(self) -> nn.Module:
        """The norm after the last convolution, which makes the gate's logit in ``theta``."""
        return getattr(self, self._layers[-1][1])

    def forward(self, x: Tensor) -> Tensor:
        self.check_size(x)
        return self._rest(self._conv(self._layers[0][0], x))

    def _conv(self, name: str, x: Tensor) -> Tensor:
        return getattr(self, name)(x)

    def _rest(self, x: Tensor) -> Tensor:
        """Return what follows the first convolution."""
        for number, (conv, norm) in enumerate(self._layers, 1):
            if number > 1:
                x = self._conv(conv, x)
            x = normalise(getattr(self, norm), x)
            if self.final_relu if number == len(self._layers) else self.inner_relu:
                x = F.relu(x, inplace=True)
        return x

    @property
    def takes_affine(self) -> bool:
        """Whether the first convolution is the one that :meth:`_first_conv` computes in another way."""
        conv = self.conv1
        return (type(conv) is nn.Conv2d and conv.padding_mode == 'zeros' and conv.dilation == (1, 1)
                and conv.groups == conv.in_channels == conv.out_channels
                and (conv.kernel_size, conv.stride, conv.padding) == self._first_geometry)

    def of_affine(self, features: AffineFeatures) -> Tensor:
        """Return the gather of y; see :class:`AffineFeatures`."""
        self.check_size(features.x)
        return self._rest(self._first_conv(features))

    def check_size(self, x: Tensor) -> None:
        """Raise ValueError for maps that this gather cannot take."""

    def _first_conv(self, features: AffineFeatures) -> Tensor:
        """Return ``conv1(y)``, linear in y: the scale goes into the kernel, the shift becomes a map of its own."""
        raise NotImplementedError


class DepthwiseGather(_LearnedGather):
    """log2(e) depth-wise 3x3 convolutions of stride 2: ``(N, C, H, W) -> (N, C, ceil(H / e), ceil(W / e))``."""

    def __init__(self, in_channels: int, extent: int, norm_cfg: dict, final_relu: bool):
        kernels = [dict(kernel_size=3, stride=2, padding=1)] * (extent.bit_length() - 1)
        super().__init__(kernels, in_channels, norm_cfg, final_relu)

    _first_geometry = ((3, 3), (2, 2), (1, 1))

    def _conv(self, name: str, x: Tensor) -> Tensor:
        return getattr(self, name)(at_least_two_columns(x))

    def _first_conv(self, features: AffineFeatures) -> Tensor:
        x, scale, shift, _ = features
        if scale is None:
            return self._conv('conv1', x)
        weight = self.conv1.weight
        out = depthwise_conv3x3_s2(x, (weight * scale[:, None, None, None]).to(x.dtype))
        if self.conv1.bias is not None:
            out = out + self.conv1.bias[:, None, None].to(out.dtype)
        # conv1 of a constant map is that constant times the taps of the kernel that lie inside of the map.
        inside = [_taps_inside(size, weight) for size in x.shape[-2:]]
        taps = torch.matmul(torch.matmul(inside[0].t(), weight[:, 0]), inside[1])
        return out + (taps * shift[:, None, None]).to(out.dtype)


class FullMapGather(_LearnedGather):
    """One depth-wise convolution that spans the whole map: ``(N, C, H, W) -> (N, C, 1, 1)`` for one fixed (H, W).

    Args:
        halved: A dense 3x3 convolution of stride 2 and a norm before it, and no ReLU, as MindSpore's GENet has in its
            first stage.

    Raises:
        ValueError: In ``forward``, for a map of another size than ``map_size``.
    """

    inner_relu = False

    def __init__(self, in_channels: int, map_size: tuple[int, int], norm_cfg: dict, final_relu: bool,
                 halved: bool):
        kernels = [dict(kernel_size=map_size)]
        if halved:
            # "Same" padding: none before and one behind where the size is even.
            kernels = [dict(type='Conv2dAdaptivePadding', groups=1, kernel_size=3, stride=2),
                       dict(kernel_size=tuple((size + 1) // 2 for size in map_size))]
        super().__init__(kernels, in_channels, norm_cfg, final_relu)
        self.map_size = tuple(map_size)

    @property
    def _first_geometry(self) -> tuple:
        return self.map_size, (1, 1), (0, 0)

    def _first_conv(self, features: AffineFeatures) -> Tensor:
        x, scale, shift, _ = features
        weight = self.conv1.weight[:, 0]
        out = map_dot(x, weight)
        if scale is not None:
            out = out * scale + shift * weight.sum((1, 2))
        if self.conv1.bias is not None:
            out = out + self.conv1.bias
        return out[:, :, None, None].to(x.dtype)

    def check_size(self, x: Tensor) -> None:
        if tuple(x.shape[-2:]) != self.map_size:
            raise ValueError(
                'GatherExcite with extent="global" and parameters owns a kernel for maps of '
                f'{self.map_size[0]}x{self.map_size[1]}, but got a map of {x.shape[-2]}x{x.shape[-1]}. Give the '
                'backbone input_size=<the image size>, or use extent=8, which takes any size (as in detection).')


def _taps_inside(size: int, like: Tensor) -> Tensor:
    """Return 1 where a tap of a 3-wide kernel of stride 2 and padding 1 reads inside of the map, ``(3, outputs)``."""
    outputs = (size + 1) // 2
    position = (2 * torch.arange(outputs, device=like.device) + torch.arange(-1, 2, device=like.device)[:, None])
    return ((position >= 0) & (position < size)).to(like.dtype)


def normalise(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply ``norm`` to ``x`` ``(N, C, H', W')``; where a batch norm would see at most one value per channel, apply its
    running statistics and leave them as they are.

    One value per channel happens for a 1x1 map of a single image (extent 8 on a stage-5 map of less than 256 px) and no
    value for a detector's empty batch of proposals; batch statistics mean nothing there, and torch raises.
    """
    if norm.training and isinstance(norm, _BatchNorm) and norm.track_running_stats and not _synchronises(norm):
        values_per_channel = x.numel() // x.shape[1]
        if values_per_channel == 1:
            _log_running_statistics()
        if values_per_channel <= 1:
            return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return norm(x)


def _synchronises(norm: nn.Module) -> bool:
    """True if ``norm`` sums over several ranks: then all ranks must call it, whatever this one holds."""
    from mmengine.dist import get_world_size
    return isinstance(norm, SyncBatchNorm) and get_world_size() > 1


@cache
def _log_running_statistics() -> None:
    print_log('A gather norm saw one value per channel (a 1x1 map of one image) and used its running statistics. '
              'Larger images or batches, or norm_cfg=dict(type="GN", ...), avoid this. Logged once.',
              logger='current', level=logging.WARNING)

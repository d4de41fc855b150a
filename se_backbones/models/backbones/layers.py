"""Layers that several architectures are built from."""

from mmcv.cnn import ConvModule, build_conv_layer, build_norm_layer
from torch import nn


class ConvNorm(ConvModule):
    """mmcv's convolution, norm, ReLU (``conv``, ``bn`` or ``gn``, ...; timm's names too), initialised by the backbone.

    mmcv's own initialises its parameters after the backbone's ``init_cfg`` did, which would then have no effect on it.
    """

    def init_weights(self) -> None:
        """Initialise nothing but convolutions that do it themselves: deformable ones begin at offset zero."""
        if hasattr(self.conv, 'init_weights'):
            self.conv.init_weights()


def downsampling_pool(stride: int) -> nn.AvgPool2d:
    """Return a pool of windows that do not overlap; a map that they do not fill has smaller ones at its end."""
    return nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)


def projection(in_channels: int, out_channels: int, stride: int, conv_cfg: dict | None, norm_cfg: dict,
               avg_down: bool = False, kernel: int = 1) -> nn.Sequential:
    """Return the projection shortcut: [average pooling,] convolution, norm."""
    layers = []
    if avg_down:
        layers.append(downsampling_pool(stride))
        stride = 1
    layers.append(build_conv_layer(conv_cfg, in_channels, out_channels, kernel, stride=stride, padding=kernel // 2,
                                   bias=False))
    layers.append(build_norm_layer(norm_cfg, out_channels)[1])
    return nn.Sequential(*layers)

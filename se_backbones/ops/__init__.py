"""Tensor functions: an equation each, and faster code that equals it."""

from se_backbones.ops.average_pool import average_pool
from se_backbones.ops.depthwise import depthwise_conv3x3_s2, widened
from se_backbones.ops.gated_scale import gated_scale
from se_backbones.ops.map_dot import map_dot

__all__ = ['average_pool', 'gated_scale', 'depthwise_conv3x3_s2', 'map_dot', 'widened']

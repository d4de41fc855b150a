"""Tensor functions: an equation each, and faster code that equals it."""

from se_backbones.ops.average_pool import average_pool, average_pool_as_written
from se_backbones.ops.depthwise import at_least_two_columns, depthwise_conv3x3_s2
from se_backbones.ops.gated_scale import gated_scale
from se_backbones.ops.map_dot import map_dot

__all__ = ['at_least_two_columns', 'average_pool', 'average_pool_as_written', 'depthwise_conv3x3_s2', 'gated_scale',
           'map_dot']

"""``x * gate`` for a gate on a coarser grid."""

from se_backbones.ops.gated_scale.reference import gated_scale

__all__ = ['gated_scale']

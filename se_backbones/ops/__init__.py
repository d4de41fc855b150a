"""Tensor functions: each folder holds an equation (``reference.py``) and, where it pays, a kernel that equals it."""

from se_backbones.ops.gated_scale import gated_scale

__all__ = ['gated_scale']

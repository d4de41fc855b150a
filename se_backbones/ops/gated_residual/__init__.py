"""``relu(gate * norm(x) + shortcut)`` without the normalised tensor."""

from se_backbones.ops.gated_residual.autograd import gated_residual, moments

__all__ = ['gated_residual', 'moments']

"""What a detector needs beyond a backbone."""

from se_backbones.models.shared_heads.res_layer import ResLayer

__all__ = ['ResLayer']

"""What a detector needs beyond a backbone."""

from se_backbones.detection.res_layer import ResLayer

__all__ = ['ResLayer']

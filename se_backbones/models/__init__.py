"""Operators, where they go, and the networks that carry them."""

from se_backbones.utils.openmmlab import require

require('mmengine', 'mmcv')

"""How weights come in: checked, counted, and without changing the function where operators are inserted."""

from se_backbones.weights.pretrained import Pretrained

__all__ = ['Pretrained']

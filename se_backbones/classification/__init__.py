"""What a classifier needs beyond a backbone and mmpretrain."""

from se_backbones.classification.dropout import Dropout

__all__ = ['Dropout']

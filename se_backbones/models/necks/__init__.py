"""What a classifier needs beyond a backbone and mmpretrain."""

from se_backbones.models.necks.dropout import Dropout

__all__ = ['Dropout']

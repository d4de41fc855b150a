"""One file per architecture; each is registered under its published name and used with the prefix."""

from se_backbones.backbones.resnet import ResNet, ResNeXt
from se_backbones.backbones.senet import SENet

__all__ = ['ResNeXt', 'ResNet', 'SENet']

"""One file per architecture; each is registered under its published name and used with the prefix."""

from se_backbones.models.backbones.bn_inception import BNInception
from se_backbones.models.backbones.inception_resnet_v2 import InceptionResNetV2
from se_backbones.models.backbones.mobilenet_v1 import MobileNetV1
from se_backbones.models.backbones.preact_resnet import PreActResNet
from se_backbones.models.backbones.resnet import ResNet, ResNetV1c, ResNetV1d, ResNeXt
from se_backbones.models.backbones.senet import SENet
from se_backbones.models.backbones.shake_shake import ShakeShake
from se_backbones.models.backbones.shufflenet_v1 import ShuffleNetV1
from se_backbones.models.backbones.vgg import VGG
from se_backbones.models.backbones.wide_resnet import WideResNet
from se_backbones.models.backbones.with_context import WithContext

__all__ = ['BNInception', 'InceptionResNetV2', 'MobileNetV1', 'PreActResNet', 'ResNeXt', 'ResNet', 'ResNetV1c',
           'ResNetV1d', 'SENet', 'ShakeShake', 'ShuffleNetV1', 'VGG', 'WideResNet', 'WithContext']

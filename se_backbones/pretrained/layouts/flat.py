"""Layouts of networks that are not ResNets: VGG, Inception-ResNet-v2, ShuffleNet v1."""

import re
from collections.abc import Iterable

from se_backbones.pretrained.layouts.rules import Rules, prefixed, same

_FEATURE = re.compile(r'features\.(\d{1,6})\.(\w+)')
_OUR_FEATURE = re.compile(r'features\.(\d{1,6})\.(conv|bn)\.(\w+)')
_CLASSIFIER = re.compile(r'classifier\.\d+\.(weight|bias)')


class TorchvisionVGG:
    """torchvision's VGG counts norms and ReLUs too: ours ``features.n.conv`` is ``features.m`` there, the norm m + 1.

    Two indices more for each convolution before it, or one where there are no norms, make m of n.
    """

    def to_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """See :class:`Rules`."""
        found = {key: (int(match[1]), match[2]) for key in keys if (match := _FEATURE.fullmatch(key))}
        norms = {index for index, parameter in found.values() if parameter == 'running_mean'}
        convs = sorted({index for index, _ in found.values()} - norms)
        ours = {index: index - order * (2 if norms else 1) for order, index in enumerate(convs)}
        names = _classifier(keys)
        for key, (index, parameter) in found.items():
            if index in ours:
                names[key] = f'features.{ours[index]}.conv.{parameter}'
            elif index - 1 in ours:
                names[key] = f'features.{ours[index - 1]}.bn.{parameter}'
        return names

    def from_ours(self, keys: Iterable[str]) -> dict[str, str]:
        """See :class:`Rules`."""
        found = {key: (int(match[1]), match[2], match[3]) for key in keys if (match := _OUR_FEATURE.fullmatch(key))}
        norms = any(layer == 'bn' for _, layer, _ in found.values())
        convs = sorted({index for index, _, _ in found.values()})
        theirs = {index: index + order * (2 if norms else 1) for order, index in enumerate(convs)}
        names = _classifier(keys)
        for key, (index, layer, parameter) in found.items():
            names[key] = f'features.{theirs[index] + (layer == "bn")}.{parameter}'
        return names


def _classifier(keys: Iterable[str]) -> dict[str, str]:
    return {key: key for key in keys if _CLASSIFIER.fullmatch(key)}


# Ours are timm's names.
TIMM_INCEPTION_RESNET_V2 = Rules(
    *same(*(f'{layer}.{{rest}}' for layer in (
        'conv2d_1a', 'conv2d_2a', 'conv2d_2b', 'conv2d_3b', 'conv2d_4a', 'mixed_5b', 'repeat', 'mixed_6a', 'repeat_1',
        'mixed_7a', 'repeat_2', 'block8', 'conv2d_7b'))),
    ('classif.{p}', 'head.fc.{p}'))


def mmpretrain(prefix: str) -> dict[str, Rules]:
    """mmpretrain's ShuffleNetV1 and VGG, whose names are ours; VGG has its classifier in the backbone."""
    shufflenet = same('conv1.conv.weight', 'conv1.bn.{s}', 'layers.{rest}')
    vgg = same('features.{n}.conv.{p}', 'features.{n}.bn.{s}', 'classifier.{n}.{p}')
    head = same('head.fc.{p}') if prefix else ()
    return {'shufflenet_v1': Rules(*prefixed(prefix, *shufflenet), *head), 'vgg': Rules(*prefixed(prefix, *vgg))}

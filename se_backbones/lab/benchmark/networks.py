"""The networks that are timed, by name."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mmengine.registry import MODELS

if TYPE_CHECKING:
    from torch import Tensor, nn

SE = dict(type='SqueezeExcite')
OPERATORS = {
    'SE': SE,
    'GE theta-minus': dict(type='GatherExcite'),
    'GE theta-minus E8': dict(type='GatherExcite', extent=8),
    'GE theta': dict(type='GatherExcite', variant='theta'),
    'GE theta E8': dict(type='GatherExcite', variant='theta', extent=8),
    'GE theta-plus': dict(type='GatherExcite', variant='theta_plus'),
}
# What the networks of Caffe, and so timm's "legacy" ones, have of their own.
CAFFE = dict(style='caffe', stem_pool='caffe')


def ours(op: Mapping[str, Any] | None, size: int, **options: Any) -> 'nn.Module':
    """Return our ResNet-50 with this operator in every unit."""
    context = None if op is None else dict(op=dict(op))
    return MODELS.build(dict(type='se_backbones.ResNet', depth=50, input_size=size, context=context, **options))


@dataclass(frozen=True)
class Peer:
    """Another library's ResNet-50.

    Attributes:
        build: Makes it.
        layout: How its library spells the keys; see :mod:`se_backbones.pretrained.layouts`.
        op, options: Of ours that is the same function.
    """

    build: Callable[[], 'nn.Module']
    layout: str
    op: dict | None = None
    options: Mapping[str, Any] | None = None


def _mmpretrain(name: str) -> 'nn.Module':
    import mmpretrain.models  # noqa: F401
    return MODELS.build(dict(type=f'mmpretrain.{name}', depth=50))


def _timm(name: str) -> 'nn.Module':
    import timm
    return timm.create_model(name, num_classes=0, global_pool='')


def _torchvision() -> 'nn.Module':
    import torchvision
    from torch import nn
    layers = OrderedDict(torchvision.models.resnet50().named_children())
    del layers['avgpool'], layers['fc']
    return nn.Sequential(layers)


PEERS = {
    'mmpretrain ResNet': Peer(partial(_mmpretrain, 'ResNet'), 'mmpretrain'),
    'torchvision resnet50': Peer(_torchvision, 'torchvision'),
    'timm resnet50': Peer(partial(_timm, 'resnet50'), 'torchvision'),
    'mmpretrain SEResNet': Peer(partial(_mmpretrain, 'SEResNet'), 'mmpretrain', SE),
    'timm seresnet50': Peer(partial(_timm, 'seresnet50'), 'timm', SE),
    'timm legacy_seresnet50': Peer(partial(_timm, 'legacy_seresnet50'), 'timm-legacy', SE, CAFFE),
}


def networks(size: int) -> dict[str, Callable[[], 'nn.Module']]:
    """Return ``{name: function that builds it}``; ratios refer to the first one, mmpretrain's plain ResNet-50.

    Args:
        size: Of the images; global learned gathers own kernels of one size.
    """
    return ({name: peer.build for name, peer in PEERS.items()} | {'ours plain': lambda: ours(None, size)}
            | {f'ours {name}': lambda op=op: ours(op, size) for name, op in OPERATORS.items()})


def last_map(output: 'Tensor | tuple[Tensor, ...]') -> 'Tensor':
    """Return the last map of what a backbone returns."""
    return output[-1] if isinstance(output, (tuple, list)) else output

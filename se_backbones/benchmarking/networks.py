"""The networks that are timed, by name, and the check that those that are the same function agree."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from se_backbones.ops import dispatch
from se_backbones.weights.layouts import get_layout

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


def ours(op: Mapping[str, Any] | None, size: int, **options: Any) -> nn.Module:
    """Return our ResNet-50 with this operator in every unit."""
    context = None if op is None else dict(op=dict(op))
    return MODELS.build(dict(type='se_backbones.ResNet', depth=50, input_size=size, context=context, **options))


@dataclass(frozen=True)
class Peer:
    """Another library's ResNet-50.

    Attributes:
        build: Makes it.
        layout: How its library spells the keys; see :mod:`se_backbones.weights.layouts`.
        op, options: Of ours that is the same function.
    """

    build: Callable[[], nn.Module]
    layout: str
    op: dict | None = None
    options: Mapping[str, Any] | None = None


def _mmpretrain(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import mmpretrain.models  # noqa: F401
        return MODELS.build(dict(type=f'mmpretrain.{name}', depth=50))
    return build


def _timm(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm
        return timm.create_model(name, num_classes=0, global_pool='')
    return build


def _torchvision() -> nn.Module:
    import torchvision
    net = torchvision.models.resnet50()
    net.avgpool, net.fc = nn.Identity(), nn.Identity()
    return _Unflattened(net)


class _Unflattened(nn.Module):
    """torchvision's classifier without its head returns ``(N, C * H * W)``."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def load_state_dict(self, state: Mapping[str, Tensor], *args, **kwargs):
        return self.net.load_state_dict(state, *args, **kwargs)


PEERS = {
    'mmpretrain ResNet': Peer(_mmpretrain('ResNet'), 'mmpretrain'),
    'torchvision resnet50': Peer(_torchvision, 'torchvision'),
    'timm resnet50': Peer(_timm('resnet50'), 'torchvision'),
    'mmpretrain SEResNet': Peer(_mmpretrain('SEResNet'), 'mmpretrain', SE),
    'timm seresnet50': Peer(_timm('seresnet50'), 'timm', SE),
    'timm legacy_seresnet50': Peer(_timm('legacy_seresnet50'), 'timm-legacy', SE, CAFFE),
}


def networks(size: int) -> dict[str, Callable[[], nn.Module]]:
    """Return ``{name: function that builds it}``; ratios refer to the first one, mmpretrain's plain ResNet-50.

    Args:
        size: Of the images; global learned gathers own kernels of one size.
    """
    return ({name: peer.build for name, peer in PEERS.items()} | {'ours plain': lambda: ours(None, size)}
            | {f'ours {name}': lambda op=op: ours(op, size) for name, op in OPERATORS.items()})


def last_map(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Return the last map of what a backbone returns."""
    return output[-1] if isinstance(output, (tuple, list)) else output


def check_agreement(names: list[str], size: int = 64) -> None:
    """Raise RuntimeError unless networks that are the same function agree in eval mode, with the same weights.

    That is each peer with ours of its kind, and each of ours with itself on the plain path.

    Args:
        names: Of :func:`networks`.
        size: Of the images that they are compared on.
    """
    images = torch.randn(2, 3, size, size)
    table = networks(size)
    for name in names:
        if name in PEERS:
            peer, theirs = PEERS[name], PEERS[name].build()
            mine = as_if_trained(ours(peer.op, size, **(peer.options or {})))
            theirs.load_state_dict(_respelled(mine.state_dict(), peer.layout))
            _compare(name, 'ours', mine, theirs, images)
        else:
            net = as_if_trained(table[name]())
            _compare(name, 'its plain path', net, _Plain(net), images)


def _respelled(state: Mapping[str, Tensor], layout: str) -> dict[str, Tensor]:
    """Return our backbone's tensors by another library's keys of a bare backbone."""
    return {key.removeprefix('backbone.'): value for key, value in get_layout(layout).from_ours(state).state.items()}


def as_if_trained(net: nn.Module) -> nn.Module:
    """Draw the statistics and factors of all norms, so that none is the identity; return the network."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.2, 0.8)
            nn.init.normal_(module.bias, 0, 0.1)
    return net


class _Plain:
    """A network on the plain path."""

    def __init__(self, net: nn.Module):
        self._net = net

    def eval(self) -> None:
        self._net.eval()

    def __call__(self, x: Tensor) -> Tensor:
        before = os.environ.get(dispatch.VARIABLE)
        os.environ[dispatch.VARIABLE] = 'plain'
        try:
            return self._net(x)
        finally:
            del os.environ[dispatch.VARIABLE]
            if before is not None:
                os.environ[dispatch.VARIABLE] = before


@torch.no_grad()
def _compare(name: str, other: str, a: nn.Module, b: nn.Module | _Plain, images: Tensor) -> None:
    for net in (a, b):
        net.eval()  # whose result is None for mmpretrain's
    one, two = last_map(a(images)).flatten(), last_map(b(images)).flatten()
    if not torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(two.abs().max())):
        raise RuntimeError(f'{name} and {other} differ by {float((one - two).abs().max()):.2e} with the same weights, '
                           f'of values up to {float(two.abs().max()):.2e}: nothing is timed.')

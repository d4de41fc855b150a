"""The check that timed networks that are the same function agree."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from se_backbones.lab.benchmark.networks import PEERS, last_map, networks, ours
from se_backbones.models.units import ResidualUnit
from se_backbones.pretrained.layouts import get_layout


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
            _compare(name, 'its plain path', net, on_the_plain_path(net), images)


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


def on_the_plain_path(net: nn.Module) -> nn.Module:
    """Return a copy of the network whose residual tails are plain."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, ResidualUnit):
            module.tail = 'plain'
    return net


@torch.no_grad()
def _compare(name: str, other: str, a: nn.Module, b: nn.Module, images: Tensor) -> None:
    for net in (a, b):
        net.eval()  # whose result is None for mmpretrain's
    one, two = last_map(a(images)).flatten(), last_map(b(images)).flatten()
    if not torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(two.abs().max())):
        raise RuntimeError(f'{name} and {other} differ by {float((one - two).abs().max()):.2e} with the same weights, '
                           f'of values up to {float(two.abs().max()):.2e}: nothing is timed.')

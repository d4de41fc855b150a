"""Compare converted tensors: both libraries' networks on the same images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from se_backbones.lab.convert.conversion import Conversion
from se_backbones.lab.convert.networks import NoNetwork, build_network, load_network
from se_backbones.pretrained.layouts import CAFFE

# Of the largest output: what float32 rounding leaves of a difference, with a margin.
TOLERANCE = 1e-4
# The second one is odd, where strides and pools round.
IMAGES = ((224, 224), (193, 161))


@dataclass(frozen=True)
class Comparison:
    """The outputs of a library's network beside those of our backbone.

    Attributes:
        layout: Whose network.
        difference: The largest difference, divided by the largest output; None: not compared.
        reason: Why not.
    """

    layout: str
    difference: float | None
    reason: str = ''

    @property
    def agrees(self) -> bool:
        """Whether the outputs are equal up to rounding, or could not be compared."""
        return self.difference is None or self.difference <= TOLERANCE


def compare(conversion: Conversion) -> list[Comparison]:
    """Compare our backbone with the network of the source's and of the target's library on random images."""
    if conversion.backbone is None:
        return [Comparison('all', None, 'the architecture is not known (--arch NAME)')]
    if not conversion.complete:
        return [Comparison('all', None, 'the tensors are not those of the architecture')]
    ours = _network('se-backbones', conversion, conversion.ours)
    sides = {conversion.source: conversion.before, conversion.target: conversion.state}
    results = []
    for layout, state in sides.items():
        if layout.startswith('se-backbones'):
            continue
        try:
            theirs = _caffe_network(conversion) if layout == CAFFE else _network(layout, conversion, state)
            results.append(Comparison(layout, _difference(theirs, ours, conversion)))
        except NoNetwork as reason:
            results.append(Comparison(layout, None, str(reason)))
    return results


def _network(layout: str, conversion: Conversion, state: Mapping[str, Tensor]) -> torch.nn.Module:
    return load_network(build_network(layout, conversion.arch, conversion.backbone, conversion.ours), state)


def _caffe_network(conversion: Conversion) -> Callable[[Tensor], Tensor]:
    """Return the network that OpenCV makes of Caffe's side, with the classes in our order."""
    caffe = conversion.caffe
    if caffe.prototxt is None:
        raise NoNetwork('OpenCV needs the network too (--prototxt)')
    if caffe.folded:
        raise NoNetwork('with --fold-preprocessing the result takes other images')
    from se_backbones.lab.caffe.classes import sorted_to_devkit  # protobuf only where it is needed
    from se_backbones.lab.convert.caffe_opencv import CaffeNetwork
    try:
        network = CaffeNetwork(caffe.prototxt, caffe.content)
    except RuntimeError as error:
        raise NoNetwork(str(error)) from error
    rows = torch.tensor(sorted_to_devkit()) if caffe.reordered else slice(None)

    def scores(image: Tensor) -> Tensor:
        try:
            return network(image)[:, rows]
        except RuntimeError as error:
            raise NoNetwork(str(error)) from error
    scores.sizes = (network.size,)
    return scores


@torch.no_grad()
def _difference(theirs: Callable[[Tensor], Tensor], ours: torch.nn.Module, conversion: Conversion) -> float:
    # Fully connected layers on a map take images of one size, and so does a prototxt.
    sizes = getattr(theirs, 'sizes', IMAGES[:1] if 'classifier.0.weight' in conversion.ours else IMAGES)
    differences, channels = [], conversion.backbone.get('in_channels', 3)
    for number, size in enumerate(sizes):
        image = torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(number))
        a, b = theirs(image), ours(image)
        if a.shape != b.shape:
            raise NoNetwork(f'its output has {tuple(a.shape)} numbers and ours {tuple(b.shape)}')
        differences.append((a - b).abs().max() / b.abs().max())
    return torch.stack(differences).max().item()  # NaN if one of them is

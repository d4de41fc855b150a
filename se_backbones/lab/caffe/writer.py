"""Write our tensors as a ``.caffemodel`` of the authors' networks, for Caffe and for OpenCV.

The prototxt stays what it is: it says how the layers are connected, where the stride is and how the stem pools.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from se_backbones.lab.caffe.classes import sorted_to_devkit
from se_backbones.lab.caffe.names import LAYER_RULES, Names
from se_backbones.lab.caffe.reader import Layer, check_fits, read_prototxt
from se_backbones.lab.caffe.schema import message_class
from se_backbones.pretrained.errors import LayoutError
from se_backbones.utils.validation import first_few

# A part of a key that no other family has, the rarest first.
_SIGNS = {'se_bn_inception': 'inception_3a.', 'senet': 'stem.0.', 'genet': '.context.standard.gather.',
          'se_resnet': '.context.standard.excite.'}


def caffe_layers(state: Mapping[str, Tensor], prototxt: str | Path | None = None, *,
                 class_order: str = 'devkit') -> dict[str, Layer]:
    """Return the layers with parameters of the authors' network that has these tensors.

    Args:
        state: By our keys: the backbone's without prefix, and ``head.fc.*``.
        prototxt: Checked against the layers if given.
        class_order: Order of the classifier's rows, if there are 1000: ``'devkit'`` takes them for sorted by WordNet
            id, as everybody has them, and puts them into the order of the authors' networks, that of the ILSVRC2012
            development kit; ``'sorted'`` keeps their order.

    Raises:
        LayoutError: No network of theirs has these tensors, or the prototxt describes another one.
        CheckpointError: The prototxt cannot be read.
    """
    names = LAYER_RULES[_family(state)]
    found = {key: names.ours_to_caffe(key) for key in state if not key.endswith('num_batches_tracked')}
    unmatched = [key for key, place in found.items() if place is None]
    if unmatched:
        raise LayoutError(f'The Caffe networks have no layer for {len(unmatched)} of the tensors: '
                          f'{first_few(unmatched)}.')
    blobs: dict[str, dict[int, Tensor]] = {}
    for key, (layer, number) in found.items():
        value = state[key].float()
        if key.startswith('head.fc.') and class_order == 'devkit' and len(value) == len(sorted_to_devkit()):
            value = torch.empty_like(value).index_copy_(0, torch.tensor(sorted_to_devkit()), value)
        blobs.setdefault(layer, {})[number] = value
    layers = {name: _layer(names, name, numbered) for name, numbered in blobs.items()}
    if prototxt is None:
        return layers
    described = read_prototxt(prototxt)
    check_fits(layers, described)
    return {name: replace(layer, settings=described[name].settings) for name, layer in layers.items()}


def caffemodel_of(layers: Mapping[str, Layer]) -> bytes:
    """Return the content of a ``.caffemodel`` with these layers."""
    network = message_class('NetParameter')()
    for layer in layers.values():
        message = network.layer.add()
        message.CopyFrom(layer.settings)
        for blob in layer.blobs:
            written = message.blobs.add()
            written.shape.dim.extend(blob.shape)
            written.data.append(blob.contiguous().numpy().astype('<f4').tobytes())
    return network.SerializeToString()


def _family(state: Mapping[str, Tensor]) -> str:
    for family, sign in _SIGNS.items():
        if any(sign in f'.{key}' for key in state):
            return family
    raise LayoutError('The Caffe networks all have SE or GE operators in their standard place, and there is no tensor '
                      'of one.')


def _layer(names: Names, name: str, numbered: Mapping[int, Tensor]) -> Layer:
    parameters = names.parameters(name)
    blobs = [numbered[number] for number in sorted(numbered)]
    kind = 'Convolution'
    if name.endswith('/bn/scale'):
        kind = 'Scale'
    elif len(parameters) == 3:
        kind = 'BatchNorm'
        blobs.append(torch.ones(1))  # the factor of the two sums that these are
    elif len(parameters) == 4:
        kind, blobs = 'CuDNNBatchNorm', [blob.view(1, -1, 1, 1) for blob in blobs]
    elif name == 'classifier':
        kind = 'InnerProduct'
    elif name.endswith('/gather'):
        kind = 'DepthwiseConvolution'
    return Layer(name, kind, tuple(blobs), message_class('LayerParameter')(name=name, type=kind))

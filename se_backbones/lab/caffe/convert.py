"""From a released Caffe network to the tensors of ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from se_backbones.lab.caffe.classes import sorted_to_devkit
from se_backbones.lab.caffe.names import LAYER_RULES, Names
from se_backbones.lab.caffe.networks import backbone_of, family_of, is_published
from se_backbones.lab.caffe.preprocessing import CAFFE, IMAGENET, fold_imagenet
from se_backbones.lab.caffe.reader import Layer, check_fits, read_caffemodel, read_prototxt, trimmed
from se_backbones.models.loading.coverage import misfits
from se_backbones.pretrained.errors import CheckpointError, LayoutError
from se_backbones.registry import MODELS
from se_backbones.utils.validation import first_few, one_of

_FIRST = {'se_resnet': ('conv1', 'bn1'), 'genet': ('conv1', 'bn1'), 'senet': ('stem.0', 'stem.1'),
          'se_bn_inception': ('conv1_7x7_s2.conv', 'conv1_7x7_s2.bn')}


@dataclass(frozen=True)
class Report:
    """What a conversion met.

    Attributes:
        layers: Number of Caffe layers whose parameters were taken.
        unknown: Layers with parameters that the released networks do not have, such as a new classifier; left out.
        not_finite: Layers with a NaN or an infinity among their parameters.
        class_order: ``'sorted'`` or ``'devkit'``; None: there is no classifier of 1000 classes.
    """

    layers: int
    unknown: tuple[str, ...]
    not_finite: tuple[str, ...]
    class_order: str | None


@dataclass(frozen=True)
class Converted:
    """A network in our terms.

    Attributes:
        state: By our keys: the backbone's without prefix, and ``head.fc.weight`` and ``head.fc.bias``. It has no
            ``num_batches_tracked``, which torch does not ask for.
        family: ``'se_resnet'``, ``'senet'``, ``'se_bn_inception'`` or ``'genet'``.
        backbone: Config of our backbone that computes the same; its tensors are those of ``state``.
        preprocessing: ``channel_order``, ``mean`` and ``std`` that images need.
        report: What the conversion met.
    """

    state: dict[str, Tensor]
    family: str
    backbone: dict[str, Any]
    preprocessing: Mapping[str, Any]
    report: Report


def convert_caffemodel(path: str | Path, prototxt: str | Path | None = None, *, class_order: str = 'sorted',
                       fold_preprocessing: str | None = None) -> Converted:
    """Read one of hujie-frank's SENets or GENets, released or trained with Caffe, and return our tensors.

    The seven released SENets are SE-ResNet-50, -101, -152, SE-ResNeXt-50, -101, SENet-154 and SE-BN-Inception; of GENet
    there are prototxts only (RN50-GEPF, -GEP, -GEPP). The result computes the same only in a backbone that pools and
    strides as Caffe's network does: ``style='caffe'`` for the SE- and GE-ResNets and ``stem_pool='caffe'`` for all
    ResNets, as ``Converted.backbone`` says.

    Args:
        path: The ``.caffemodel``.
        prototxt: Its ``.prototxt``; checked against it if given, and then what says eps and strides.
        class_order: Order of the classifier's rows, if there are 1000: ``'sorted'`` takes them for the authors',
            in the order of the ILSVRC2012 development kit, and puts them into the usual one, sorted by WordNet id;
            ``'devkit'`` keeps the order of the file.
        fold_preprocessing: None: the network wants BGR images from 0 to 255 less (104, 117, 123). ``'imagenet'``: it is
            rewritten to want RGB images as OpenMMLab's classifiers do; :func:`fold_imagenet` says how exact that is.

    Raises:
        CheckpointError: A file is not what it should be, is damaged, or holds a network that was never trained.
        LayoutError: It is another network, lacks layers, or the two files do not belong together.
        ValueError: An option outside these values.
    """
    one_of('class_order', class_order, ('sorted', 'devkit'))
    one_of('fold_preprocessing', fold_preprocessing, (None, 'imagenet'))
    layers = read_caffemodel(path)
    if prototxt is not None:
        described = read_prototxt(prototxt)
        check_fits(layers, described)
        # As in Caffe: the prototxt says what the layers are, the other file has their numbers only.
        layers = {name: replace(layer, blobs=layers[name].blobs if name in layers else ())
                  for name, layer in {**layers, **described}.items()}
    family = family_of(layers)
    names = LAYER_RULES[family]
    backbone = backbone_of(layers, family)
    state, unknown = _state(layers, names)
    _check(state, backbone, names, path)
    if 'head.fc.weight' not in state and not is_published(backbone):
        raise LayoutError(f'{path} has no classifier, and no released network has as many blocks; it may be truncated.')
    ordered = len(state.get('head.fc.weight', ())) == len(sorted_to_devkit())
    if ordered and class_order == 'sorted':
        rows = torch.tensor(sorted_to_devkit())
        state.update({key: value[rows] for key, value in state.items() if key.startswith('head.fc.')})
    if fold_preprocessing:
        if 'in_channels' in backbone:
            raise LayoutError(f'fold_preprocessing={fold_preprocessing!r} is for images of 3 channels; {path} takes '
                              f'{backbone["in_channels"]}.')
        state = fold_imagenet(state, *_FIRST[family])
    with_parameters = [layer for layer in layers.values() if layer.blobs]
    return Converted(state, family, backbone, IMAGENET if fold_preprocessing else CAFFE, Report(
        layers=len(with_parameters) - len(unknown), unknown=unknown,
        not_finite=tuple(layer.name for layer in with_parameters if not _finite(layer.blobs)),
        class_order=class_order if ordered else None))


def _state(layers: Mapping[str, Layer], names: Names) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors by our keys, and the layers with parameters that the family does not have."""
    state, unknown = {}, []
    for layer in layers.values():
        if names.to_ours(layer.name) is None:
            unknown += [layer.name] if layer.blobs else []
            continue
        dims = {'Convolution': 4, 'DepthwiseConvolution': 4, 'InnerProduct': 2}.get(layer.type, 1)
        for number, blob in enumerate(_scaled(layer)):
            if key := names.caffe_to_ours(layer.name, number):
                state[key] = trimmed(blob, 1 if key.endswith('.bias') else dims)
    return state, tuple(unknown)


def _scaled(layer: Layer) -> tuple[Tensor, ...]:
    """Return the parameters; those of a ``BatchNorm`` are sums with a common factor, which is taken out."""
    if layer.type != 'BatchNorm' or len(layer.blobs) != 3:
        return layer.blobs
    mean, variance, factor = layer.blobs
    if factor.numel() != 1 or factor == 0:
        raise CheckpointError(f'The norm {layer.name} has no statistics (its scale factor is 0): the network was '
                              'never trained.')
    # As Caffe does it, to the last bit.
    return mean * (1 / factor), variance * (1 / factor), factor


def _check(state: Mapping[str, Tensor], backbone: Mapping[str, Any], names: Names, path: str | Path) -> None:
    """Hold the tensors against the network of that config."""
    try:
        with torch.device('meta'):
            network = MODELS.build(dict(backbone))
    except (ValueError, RuntimeError) as error:
        raise LayoutError(f'{path} looks like backbone={backbone}, which is impossible: {error}') from error
    own = network.state_dict()
    if 'head.fc.weight' in state:
        shape = (*state['head.fc.weight'].shape[:1], network.feature_info[-1].channels)
        own |= {'head.fc.weight': torch.empty(shape, device='meta'),
                'head.fc.bias': torch.empty(shape[:1], device='meta')}
    texts = {'missing': 'lacks parameters of', 'unexpected': 'has parameters of its own in',
             'mismatched': 'has parameters of another shape in'}
    for kind, keys in misfits(own, state).items():
        if keys:
            layers = dict.fromkeys(names.ours_to_caffe(key)[0] for key in keys)
            raise LayoutError(f'{path} looks like backbone={backbone}, but {texts[kind]} {first_few(layers)}.')


def _finite(blobs: Iterable[Tensor]) -> bool:
    return all(blob.isfinite().all() for blob in blobs)

"""Where to download each dataset of the configs; the folders that it needs are in docs/reproduce.md."""

import os.path as osp
from collections.abc import Mapping
from typing import Any, NamedTuple

from se_backbones.utils.config_types import type_name


class Expected(NamedTuple):
    """One dataset.

    Attributes:
        source: Where to get it, as sentences and commands; ``{root}`` is the root of the config.
        files: What must exist for a run, relative to ``data_root``, where the config does not name it as an
            ``ann_file`` or ``data_prefix``; ``{split}`` is that of the config.
    """

    source: str
    files: tuple[str, ...] = ()


_SMALL_DETECTOR = """
Nothing at hand? This trains a small detector of the same kind, on data made in seconds:
    se-backbones data digits
    se-backbones train configs/digits/faster_rcnn_ge_r18.py"""
_SMALL_SEGMENTOR = """
Nothing at hand? This trains a small segmentor on data made in seconds:
    se-backbones data digits && se-backbones train configs/digits/fcn_ge_r18.py"""
_SMALL_CLASSIFIER = """
Nothing at hand? This trains a small classifier on data made in seconds:
    se-backbones data digits --kind digits
    se-backbones train configs/digits/resnet18_se.py"""
_LINK = '\nIf you have it elsewhere, link it: ln -s /path/to/{} {{root}}'
_TORCHVISION = 'Download it with: python -c "from torchvision.datasets import {0}; {0}(\'{{root}}\', download=True)"'

IMAGENET = Expected(
    'ImageNet is at image-net.org/download (ILSVRC2012, tasks 1 and 2; an account is needed): {root}/train and '
    '{root}/val\nwith a folder for each class, n01440764 and so on. The validation archive is flat; valprep.sh of\n'
    'github.com/soumith/imagenetloader.torch sorts it into folders.' + _LINK.format('imagenet') + _SMALL_CLASSIFIER,
    ('{split}',))
CIFAR10 = Expected(_TORCHVISION.format('CIFAR10'), ('cifar-10-batches-py',))
CIFAR100 = Expected(_TORCHVISION.format('CIFAR100'), ('cifar-100-python',))
FASHION_MNIST = Expected(
    "Download the four .gz files that github.com/zalandoresearch/fashion-mnist lists, or, without root, Debian's: "
    'apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb fashion_mnist_deb. Then: '
    'se-backbones data fashion-mnist FOLDER_OF_THE_FILES --out {root}',
    ('train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'))
PLACES365 = Expected(
    'Places365-Challenge is at places2.csail.mit.edu; torchvision downloads its images at 256x256 and its lists:\n'
    '    python -c "from torchvision.datasets import Places365 as P; '
    'P(\'{root}\', \'train-challenge\', True, True); P(\'{root}\', \'val\', True, True)"' + _SMALL_CLASSIFIER)
COCO_2017 = Expected('COCO is at cocodataset.org (or: python <mmdet>/.mim/tools/misc/download_dataset.py '
                     '--dataset-name coco2017).' + _LINK.format('coco') + _SMALL_DETECTOR)
COCO_2014 = Expected('COCO is at cocodataset.org: train2014.zip, val2014.zip and annotations_trainval2014.zip.'
                     + _LINK.format('coco') + _SMALL_DETECTOR)
COCO_MINIVAL = Expected(
    'COCO is at cocodataset.org: train2014.zip, val2014.zip, annotations_trainval2014.zip and '
    'annotations_trainval2017.zip.\nThe two files of the 35k/5k split are derived from these:\n'
    '    se-backbones data coco-minival {root}/annotations'
    + _LINK.format('coco') + _SMALL_DETECTOR)
COCO_PANOPTIC = Expected(
    'COCO is at cocodataset.org: train2017.zip, val2017.zip and panoptic_annotations_trainval2017.zip, whose PNG files '
    'are\nzip archives in it: {root}/annotations/panoptic_train2017 and panoptic_val2017. mmdet reads and scores them\n'
    'with panopticapi: pip install git+https://github.com/cocodataset/panopticapi.git' + _LINK.format('coco'))
_CITYSCAPES = ('Cityscapes is at cityscapes-dataset.com (leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip; an '
               "account is needed).\n{}'s tools/dataset_converters/cityscapes.py makes the {} files.")
CITYSCAPES = Expected(_CITYSCAPES.format('mmseg', 'labelTrainIds.png') + _LINK.format('cityscapes') + _SMALL_SEGMENTOR)
CITYSCAPES_INSTANCES = Expected(_CITYSCAPES.format('mmdet', 'instancesonly_filtered_gtFine_*.json')
                                + _LINK.format('cityscapes') + _SMALL_DETECTOR)
ADE20K = Expected("ADE20K's 150 classes are ADEChallengeData2016.zip of data.csail.mit.edu/places/ADEchallenge."
                  + _LINK.format('ADEChallengeData2016') + _SMALL_SEGMENTOR)

_BY_TYPE = {'ImageNet': IMAGENET, 'CIFAR10': CIFAR10, 'CIFAR100': CIFAR100, 'Places365': PLACES365,
            'FashionMNIST': FASHION_MNIST,
            'CocoPanopticDataset': COCO_PANOPTIC, 'CityscapesDataset': CITYSCAPES, 'ADE20KDataset': ADE20K}


def expected(dataset: Mapping[str, Any]) -> Expected | None:
    """Return what is known of a dataset's config (the innermost one, with ``type`` and ``data_root``), or None."""
    known = _BY_TYPE.get(type_name(dataset))
    if known is CITYSCAPES and dataset.get('ann_file'):
        return CITYSCAPES_INSTANCES  # mmdet's dataset of the same name
    if known is not None:
        return known
    ann_file = osp.basename(dataset.get('ann_file') or '')
    if ann_file.startswith('instances_') and 'coco' in (dataset.get('data_root') or '').lower():
        if 'minival' in ann_file:
            return COCO_MINIVAL
        return COCO_2014 if '2014' in ann_file else COCO_2017
    return None


def required(dataset: Mapping[str, Any]) -> list[str]:
    """Return the paths that the dataset reads without naming them in its config; empty for one that is not known."""
    known = expected(dataset)
    if known is None or dataset.get('ann_file') or dataset.get('data_prefix'):
        return []
    root = dataset.get('data_root') or ''
    return [osp.join(root, file.format(split=dataset.get('split', ''))) for file in known.files]


def describe(train: Mapping[str, Any], val: Mapping[str, Any] | None = None) -> str | None:
    """Return where the data comes from, or None for a dataset that is not known.

    Args:
        train, val: Configs of datasets: COCO's 35k/5k split shows in either, and needs more than the plain one.
    """
    sets = [dataset for dataset in (train, val) if dataset]
    known = [found for found in map(expected, sets) if found is not None]
    if not known:
        return None
    root = (sets[0].get('data_root') or '').rstrip('/') or '.'
    return (COCO_MINIVAL if COCO_MINIVAL in known else known[0]).source.format(root=root)

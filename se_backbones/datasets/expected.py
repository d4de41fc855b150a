"""What each data set of the configs must look like on disk, and where it comes from; texts for what stops a run."""

import os.path as osp
from collections.abc import Mapping
from typing import Any, NamedTuple


class Expected(NamedTuple):
    """One data set.

    Attributes:
        tree: What has to be below ``data_root``, one path on each line with a remark after it.
        source: Where to get it, as a sentence or a command; ``{root}`` is the root of the config.
        files: What must exist for a run, relative to ``data_root``, where the config does not name it as an
            ``ann_file`` or ``data_prefix``; ``{split}`` is that of the config.
    """

    tree: str
    source: str
    files: tuple[str, ...] = ()


IMAGENET = Expected(
    tree="""\
{root}
├── train
│   ├── n01440764
│   │   ├── n01440764_10026.JPEG
│   │   └── ...            1,281,167 images in 1,000 folders
│   └── ...
└── val
    ├── n01440764          the 50,000 validation images, in folders of the same names
    └── ...                (or flat, with meta/val.txt: one 'file label' on each line)""",
    source="""\
ImageNet is at image-net.org/download (ILSVRC2012, tasks 1 and 2; an account is needed). The validation archive is flat;
github.com/soumith/imagenetloader.torch has valprep.sh, which sorts it into folders.
If you have it elsewhere, link it: ln -s /path/to/imagenet {root}""",
    files=('{split}',))

CIFAR10 = Expected(
    tree="""\
{root}
└── cifar-10-batches-py
    ├── data_batch_1 ... data_batch_5
    └── test_batch""",
    source='Download it with: python -c "from torchvision.datasets import CIFAR10; CIFAR10(\'{root}\', download=True)"',
    files=('cifar-10-batches-py',))

CIFAR100 = Expected(
    tree="""\
{root}
└── cifar-100-python
    ├── train
    └── test""",
    source=('Download it with: python -c "from torchvision.datasets import CIFAR100; '
            'CIFAR100(\'{root}\', download=True)"'),
    files=('cifar-100-python',))

PLACES365 = Expected(
    tree="""\
{root}
├── places365_train_challenge.txt    8,026,628 lines such as '/a/airfield/00000001.jpg 0'
├── places365_val.txt                36,500 lines such as 'Places365_val_00000001.jpg 165'
├── data_256_challenge               the training images at 256x256
│   ├── a
│   └── ...
└── val_256                          the validation images at 256x256""",
    source=('Places365-Challenge is at places2.csail.mit.edu; torchvision downloads it and its lists to this layout:\n'
            '    python -c "from torchvision.datasets import Places365 as P; '
            'P(\'{root}\', \'train-challenge\', True, True); P(\'{root}\', \'val\', True, True)"'))

COCO_2017 = Expected(
    tree="""\
{root}
├── annotations
│   ├── {train_ann}
│   └── {val_ann}
├── {train_images}     the training images
└── {val_images}       the validation images""",
    source="""\
COCO is at cocodataset.org (or: python <mmdet>/.mim/tools/misc/download_dataset.py --dataset-name coco2017).
If you have it elsewhere, link it: ln -s /path/to/coco {root}
No COCO at hand? This trains the same detector in small, on data made in seconds:
    python tools/dataset_converters/make_digit_scenes.py
    python tools/train.py configs/digits/faster_rcnn_ge_r18.py""")

COCO_2014 = Expected(
    tree="""\
{root}
├── annotations
│   ├── instances_train2014.json
│   └── instances_val2014.json
├── train2014          82,783 images
└── val2014            40,504 images""",
    source="""\
COCO is at cocodataset.org: train2014.zip, val2014.zip and annotations_trainval2014.zip.
If you have it elsewhere, link it: ln -s /path/to/coco {root}""")

COCO_MINIVAL = Expected(
    tree="""\
{root}
├── annotations
│   ├── instances_train2014.json
│   ├── instances_valminusminival2014.json    35,504 images of val2014
│   └── instances_minival2014.json            5,000 images of val2014
├── train2014          82,783 images
└── val2014            40,504 images""",
    source="""\
COCO is at cocodataset.org: train2014.zip, val2014.zip, annotations_trainval2014.zip and annotations_trainval2017.zip.
The two files of the 35k/5k split are derived from these:
    python tools/dataset_converters/make_coco_minival.py {root}/annotations
If you have it elsewhere, link it: ln -s /path/to/coco {root}""")

COCO_PANOPTIC = Expected(
    tree="""\
{root}
├── annotations
│   ├── panoptic_train2017.json
│   ├── panoptic_val2017.json
│   ├── panoptic_train2017     its PNG files
│   └── panoptic_val2017
├── train2017
└── val2017""",
    source="""\
COCO is at cocodataset.org: train2017.zip, val2017.zip and panoptic_annotations_trainval2017.zip, whose PNG files are
zip archives in it. mmdet reads and scores them with panopticapi: pip install git+https://github.com/cocodataset/panopticapi.git
If you have it elsewhere, link it: ln -s /path/to/coco {root}""")

CITYSCAPES = Expected(
    tree="""\
{root}
├── leftImg8bit
│   ├── train              2,975 images in folders of their cities
│   └── val                500
└── gtFine
    ├── train              their labels, aachen/aachen_000000_000019_gtFine_labelTrainIds.png and so on
    └── val""",
    source="""\
Cityscapes is at cityscapes-dataset.com (leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip; an account is needed).
mmseg's tools/dataset_converters/cityscapes.py makes the labelTrainIds.png files.
If you have it elsewhere, link it: ln -s /path/to/cityscapes {root}
Nothing at hand? This trains a small segmentor on data made in seconds:
    python tools/dataset_converters/make_digit_scenes.py && python tools/train.py configs/digits/fcn_ge_r18.py""")

ADE20K = Expected(
    tree="""\
{root}
├── images
│   ├── training           20,210 images
│   └── validation         2,000
└── annotations
    ├── training           their labels, PNG
    └── validation""",
    source="""\
ADE20K's 150 classes are ADEChallengeData2016.zip of data.csail.mit.edu/places/ADEchallenge.
If you have it elsewhere, link it: ln -s /path/to/ADEChallengeData2016 {root}
Nothing at hand? This trains a small segmentor on data made in seconds:
    python tools/dataset_converters/make_digit_scenes.py && python tools/train.py configs/digits/fcn_ge_r18.py""")

_BY_TYPE = {'ImageNet': IMAGENET, 'CIFAR10': CIFAR10, 'CIFAR100': CIFAR100, 'Places365': PLACES365,
            'CocoPanopticDataset': COCO_PANOPTIC, 'CityscapesDataset': CITYSCAPES, 'ADE20KDataset': ADE20K}


def expected(dataset: Mapping[str, Any]) -> Expected | None:
    """Return what is known of a data set's config (the innermost one, with ``type`` and ``data_root``), or None."""
    known = _BY_TYPE.get(str(dataset.get('type', '')).split('.')[-1])
    if known is not None:
        return known
    ann_file = osp.basename(dataset.get('ann_file') or '')
    if ann_file.startswith('instances_') and 'coco' in (dataset.get('data_root') or '').lower():
        if 'minival' in ann_file:
            return COCO_MINIVAL
        return COCO_2014 if '2014' in ann_file else COCO_2017
    return None


def required(dataset: Mapping[str, Any]) -> list[str]:
    """Return the paths that the data set reads without naming them in its config; empty for one that is not known."""
    known = expected(dataset)
    if known is None or dataset.get('ann_file') or dataset.get('data_prefix'):
        return []
    root = dataset.get('data_root') or ''
    return [osp.join(root, file.format(split=dataset.get('split', ''))) for file in known.files]


def describe(train: Mapping[str, Any], val: Mapping[str, Any] | None = None) -> str | None:
    """Return the expected tree and where the data comes from, or None for a data set that is not known.

    Args:
        train: Config of a data set; COCO 2017's tree takes the names of files and folders from it.
        val: That of the validation set, for the same. Default: ``train``.
    """
    # COCO's 35k/5k split shows in either of the two, and needs more than the plain one.
    sets = [dataset for dataset in (train, val) if dataset]
    known = [found for found in map(expected, sets) if found is not None]
    if not known:
        return None
    found = COCO_MINIVAL if COCO_MINIVAL in known else known[0]
    names = dict(root=(sets[0].get('data_root') or '').rstrip('/') or '.')
    for role, dataset in (('train', sets[0]), ('val', sets[-1])):
        prefix = dataset.get('data_prefix')
        names[f'{role}_ann'] = osp.basename(dataset.get('ann_file') or '')
        names[f'{role}_images'] = prefix.get('img', '') if isinstance(prefix, Mapping) else prefix or ''
    return '\n'.join(['Expected:', *(f'    {line}' for line in found.tree.format(**names).splitlines()),
                      found.source.format(**names)])

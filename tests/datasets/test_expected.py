"""What is said of a missing dataset: for every config of the papers' experiments."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine.config import Config

import se_backbones
from se_backbones.datasets.expected import describe, expected, required

CONFIGS = Path(se_backbones.config_path())
SEMANTIC = [] if find_spec('mmseg') is None else [
    ('segmentation/fcn_ge_r50_cityscapes.py', ['labelTrainIds.png', 'data/cityscapes\n', 'fcn_ge_r18.py']),
    ('segmentation/pspnet_se_r50_ade20k.py', ['ADEChallengeData2016\n', 'csail.mit.edu', 'fcn_ge_r18.py'])]


def datasets(name):
    cfg = Config.fromfile(se_backbones.config_path(name) if '::' in name else CONFIGS / name)
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    train = train.dataset if 'dataset' in train else train
    return train.datasets[1] if 'datasets' in train else train, val


@pytest.mark.parametrize(('name', 'parts'), [
    ('senet/imagenet/resnet50_32xb32_in1k.py', ['data/imagenet/train', 'n01440764', 'image-net.org', 'valprep.sh',
                                                'data/imagenet\n', 'resnet18_se.py']),
    ('senet/cifar/preresnet110_1xb128_cifar10.py', ["CIFAR10('data/cifar10', download=True)"]),
    ('senet/cifar/preresnet110_1xb128_cifar100.py', ["CIFAR100('data/cifar100', download=True)"]),
    ('senet/places365/resnet152_32xb32_places365.py', ["P('data/places365', 'train-challenge', True, True)",
                                                       "P('data/places365', 'val', True, True)"]),
    ('senet/coco/faster-rcnn_resnet50_fpn_8xb2-2x_coco.py', ['cocodataset.org', 'ln -s /path/to/coco data/coco\n',
                                                             'se-backbones data digits']),
    ('senet/coco/faster-rcnn_resnet50_fpn_8xb2-2x_coco2014-minival.py', [
        'val2014.zip', 'data coco-minival data/coco/annotations']),
    ('genet/coco/faster-rcnn_resnet50_c4_8xb1-320k_coco2014.py', ['train2014.zip', 'annotations_trainval2014.zip',
                                                                  'ln -s /path/to/coco data/coco\n']),
    ('segmentation/panoptic_fpn_ge_r50_coco.py', ['data/coco/annotations/panoptic_train2017', 'panoptic_val2017',
                                                  'panopticapi', 'data/coco\n']),
    ('mmdet::cityscapes/faster-rcnn_r50_fpn_1x_cityscapes.py', [
        "mmdet's tools/dataset_converters/cityscapes.py makes the instancesonly_filtered_gtFine_*.json",
        'data/cityscapes\n', 'Nothing at hand? This trains a small detector', 'faster_rcnn_ge_r18.py']),
    *SEMANTIC,
])
def test_the_source_of_each_data_set(name, parts):
    text = describe(*datasets(name)) + '\n'
    for part in parts:
        assert part in text
    assert '{' not in text


@pytest.mark.parametrize('name', sorted(path.stem for path in (CONFIGS / '_base_' / 'datasets').glob('*.py')
                                        if path.stem.startswith(('imagenet', 'cifar', 'places', 'coco'))))
def test_every_data_set_of_the_papers_is_known(name):
    assert all(expected(each) is not None for each in datasets(f'_base_/datasets/{name}.py'))


@pytest.mark.parametrize(('data_root', 'ann_file'), [('data/mine/', 'instances_train.json'),
                                                     ('data/coco/', 'mine.json'), (None, None)])
def test_of_a_data_set_of_ones_own_nothing_is_known(data_root, ann_file):
    assert expected(dict(type='CocoDataset', data_root=data_root, ann_file=ann_file)) is None


def test_files_that_a_config_does_not_name_are_required():
    train, val = datasets('senet/imagenet/resnet50_32xb32_in1k.py')
    assert (required(train), required(val)) == (['data/imagenet/train'], ['data/imagenet/val'])
    assert required(datasets('senet/cifar/wrn16-8_1xb128_cifar100.py')[0]) == ['data/cifar100/cifar-100-python']
    assert required(datasets('senet/places365/resnet152_32xb32_places365.py')[0]) == []


def test_the_commands_that_download_are_valid_python(monkeypatch):
    import torchvision
    calls = []
    for kind in ('CIFAR10', 'CIFAR100', 'Places365'):
        monkeypatch.setattr(torchvision.datasets, kind, lambda *args, name=kind, **options: calls.append(name))
    for name in ('senet/cifar/wrn16-8_1xb128_cifar10.py', 'senet/cifar/wrn16-8_1xb128_cifar100.py',
                 'senet/places365/resnet152_32xb32_places365.py'):
        command = describe(*datasets(name)).split('python -c "')[1].split('"')[0]
        exec(command, {})
    assert calls == ['CIFAR10', 'CIFAR100', 'Places365', 'Places365']


def test_a_data_set_that_is_not_known_has_no_text():
    assert describe(dict(type='CustomDataset', data_root='data/mine')) is None
    assert required(dict(type='CustomDataset', data_root='data/mine')) == []

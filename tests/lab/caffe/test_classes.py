"""The order of the classes, against the label list that the authors published and timm's list of sorted WordNet ids."""

from importlib.resources import files

import pytest
import torch
from torchvision.models._meta import _IMAGENET_CATEGORIES

from se_backbones.lab.caffe import convert_caffemodel
from se_backbones.lab.caffe.classes import devkit_wnids, sorted_to_devkit

# The first five lines of hujie-frank/SENet's ILSVRC2017_val.txt, and the usual labels of these images.
AUTHORS, USUAL = [489, 360, 170, 821, 296], [65, 970, 230, 809, 516]


def test_the_wnids_are_the_thousand_of_imagenet():
    known = files('timm.data').joinpath('_info/imagenet_synsets.txt').read_text().split()
    assert sorted(devkit_wnids()) == known


def test_the_order_is_a_permutation():
    assert sorted(sorted_to_devkit()) == list(range(1000))


def test_the_authors_labels_are_the_usual_ones_in_the_kits_order():
    assert [sorted_to_devkit()[usual] for usual in USUAL] == AUTHORS
    assert devkit_wnids()[489] == 'n01751748' and _IMAGENET_CATEGORIES[65] == 'sea snake'


@pytest.mark.parametrize(('wnid', 'row', 'index', 'name'), [
    ('n02119789', 0, 278, 'kit fox'), ('n01443537', 449, 1, 'goldfish'), ('n02110958', 142, 254, 'pug'),
    ('n09246464', 358, 972, 'cliff'), ('n03255030', 999, 543, 'dumbbell'),
])
def test_classes_are_where_the_kit_has_them(wnid, row, index, name):
    assert devkit_wnids()[row] == wnid
    assert sorted_to_devkit()[index] == row and _IMAGENET_CATEGORIES[index] == name


def test_a_thousand_classes_are_sorted_unless_the_files_order_is_wanted(caffe, write):
    net = caffe.se_resnet((1,), (64, 64), classes=1000)
    model = write(net)[0]
    weight, bias = map(torch.from_numpy, net.layer('classifier')['blobs'])
    by_kit = convert_caffemodel(model, class_order='devkit')
    assert torch.equal(by_kit.state['head.fc.weight'], weight) and by_kit.report.class_order == 'devkit'
    usual = convert_caffemodel(model)
    assert torch.equal(usual.state['head.fc.weight'][USUAL], weight[AUTHORS])
    assert torch.equal(usual.state['head.fc.bias'][USUAL], bias[AUTHORS]) and usual.report.class_order == 'sorted'


def test_another_number_of_classes_stays_as_it_is(caffe, write):
    net = caffe.se_resnet((1,), (64, 64), classes=365)
    converted = convert_caffemodel(write(net)[0])
    assert torch.equal(converted.state['head.fc.weight'], torch.from_numpy(net.layer('classifier')['blobs'][0]))
    assert converted.report.class_order is None

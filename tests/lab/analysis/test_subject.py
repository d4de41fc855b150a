"""A trained network and its images, from a config."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import nn

from se_backbones.lab.analysis.subject import Subject, choose_metric
from se_backbones.pretrained.complete import check_complete


class Numbers(BaseDataset):
    METAINFO = dict(classes=('even', 'odd'))

    def load_data_list(self):
        return [dict(number=number) for number in range(self.metainfo.get('size', 10))]


class Scale(nn.Module):
    """As mmpretrain's configs have it: the preprocessor stands beside the model."""

    def __init__(self, data_preprocessor=None):
        super().__init__()
        self.data_preprocessor = data_preprocessor
        self.weight = nn.Parameter(torch.ones(2))


def config(**metainfo):
    dataset = dict(type=Numbers, metainfo=metainfo, serialize_data=False, test_mode=True)
    return Config(dict(model=dict(type=Scale), test_dataloader=dict(
        batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)))


@pytest.fixture
def checkpoint(tmp_path):
    torch.save(dict(state_dict=dict(weight=torch.tensor([2.0, 3.0]))), tmp_path / 'x.pth')
    return str(tmp_path / 'x.pth')


def test_weights_are_loaded_and_classes_known(checkpoint):
    it = Subject.load(config(), checkpoint)
    assert it.model.weight.tolist() == [2, 3] and not it.model.training
    assert it.classes == ('even', 'odd')


def test_a_checkpoint_with_the_classes_in_another_order_is_refused(checkpoint):
    torch.save({**torch.load(checkpoint), 'meta': dict(CLASSES=('odd', 'even'))}, checkpoint)
    with pytest.raises(ValueError, match=r"has the classes of .*x.pth in another order: label 0 is 'even'"):
        Subject.load(config(), checkpoint)


def test_a_preprocessor_beside_the_model_is_given_to_it():
    cfg = config()
    cfg.data_preprocessor = dict(mean=[127.5])
    assert Subject.load(cfg, None).model.data_preprocessor == dict(mean=[127.5])


def test_some_images_are_spaced_evenly_over_the_test_set():
    def numbers(wrapped=False, **options):
        cfg = config()
        if wrapped:
            cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[cfg.test_dataloader.dataset] * 2)
        it = Subject.load(cfg, None, **options)
        assert it.classes == ('even', 'odd')
        return [int(number) for batch in it.batches for number in batch['number']]
    assert numbers(max_images=4) == [0, 3, 6, 9]
    assert numbers(wrapped=True, max_images=3) == [0, 0, 9]
    assert numbers() == numbers(max_images=99) == list(range(10))


def test_an_empty_test_set_is_named():
    with pytest.raises(ValueError, match=r'test set of this config \(Numbers\) is empty'):
        Subject.load(config(size=0), None)


@pytest.mark.parametrize('state', [dict(), dict(weight=torch.ones(3))], ids=['absent', 'another shape'])
def test_another_networks_checkpoint_is_refused(state):
    with pytest.raises(ValueError, match=r'x.pth has no value, .* for 1 tensors .*\(weight\): was it trained'):
        check_complete(Scale(), state, 'x.pth')


def test_classes_by_name_or_label():
    it = Subject.load(config(), None)
    assert it.labels_of(['odd', '0', 1]) == {'odd': 1, 'even': 0}
    with pytest.raises(ValueError, match="no class 'ods'; there are even, odd .*Did you mean 'odd'"):
        it.labels_of(['ods'])
    with pytest.raises(ValueError, match="no class '2'"):
        it.labels_of(['2'])


def test_a_name_that_two_classes_have_is_told_apart():
    assert Subject(None, [], ('crane', 'pug', 'crane')).labels_of(['crane (2)', 'crane (0)', 'pug']) == {
        'crane (2)': 2, 'crane (0)': 0, 'pug': 1}


def test_images_are_counted_for_each_class_that_they_show():
    """A classifier's label, a detector's objects, a segmentor's pixels, of which 255 are ignored."""
    samples = [BaseDataElement(gt_label=torch.tensor([0])),
               BaseDataElement(gt_instances=InstanceData(labels=torch.tensor([2, 0, 2]))),
               BaseDataElement(gt_sem_seg=PixelData(data=torch.tensor([[[2, 255], [2, 0]]])))]
    it = Subject(None, [dict(data_samples=samples[:2]), dict(data_samples=samples[2:])], ('ant', 'bee', 'cow'))
    assert it.count_images() == {'ant': 3, 'bee': 0, 'cow': 2}


def test_accuracy_or_box_map_stands_for_quality():
    assert choose_metric({'coco/bbox_mAP_50': 1, 'coco/bbox_mAP': 2}, None) == 'coco/bbox_mAP'
    assert choose_metric({'mine': 1}, None) == 'mine'
    assert choose_metric({'mine': 1, 'accuracy/top1': 2}, 'mine') == 'mine'

"""Checks of a config that the tools' tests do not reach, called on the part that each looks at."""

import json
from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.fileio import LocalBackend, register_backend
from mmengine.registry import DATASETS
from torch import nn

from se_backbones.engine.checks import annotations, config_tree, heads, network, options
from se_backbones.engine.checks.config_tree import ConfigProblem
from se_backbones.engine.checks.datasets import Split, _count, check_dataset
from se_backbones.engine.checks.explanations import explained
from se_backbones.engine.preflight import check_files
from se_backbones.models.backbones import ResNet

TINY = dict(depth=(1,), num_stages=1, base_channels=4, out_indices=(0,))
GLOBAL = dict(op=dict(type='GatherExcite', variant='theta', extent='global'))


class Part(nn.Module):
    def __init__(self, backbone, detector=None):
        super().__init__()
        self.backbone, self.detector = backbone, detector


def test_an_index_behind_the_end_is_said_without_quotes():
    with pytest.raises(ConfigProblem, match='^--cfg-options: Index 3 exceeds the length of list'):
        options.merge_options(Config(dict(custom_hooks=[dict(type='EMAHook')])), {'custom_hooks.3.type': 'EMAHook'})


def test_where_no_topk_fits_the_first_is_asked_for():
    cfg = dict(model=dict(head=dict(num_classes=3)), val_evaluator=dict(type='Accuracy', topk=(5,)))
    with pytest.raises(ConfigProblem, match=r'topk=\(5,\) of 3 classes: set .*topk=\(1,\)'):
        heads.check_topk(cfg, ('val',))


@pytest.mark.parametrize('meta', [{}, dict(dataset_meta=None), dict(dataset_meta=[dict(classes=['a', 'b'])]),
                                  dict(dataset_meta=dict(classes=('b', 'c'))), dict(CLASSES=['a', 'b', 'c']),
                                  dict(dataset_meta=dict(classes=np.array(['a', 'b'])))], ids=str)
def test_a_checkpoint_of_the_same_of_other_or_of_unknown_classes_is_taken(meta):
    cfg = Config(dict(default_scope='mmdet', test_dataloader=dict(dataset=dict(
        type='CocoDataset', ann_file='absent.json', metainfo=dict(classes=('a', 'b'))))))
    heads.check_trained_order(cfg, ('test',), meta, 'x.pth')
    with pytest.raises(ConfigProblem, match="x.pth in another order: label 0 is 'a', and there 'b'"):
        heads.check_trained_order(cfg, ('test',), dict(CLASSES=['b', 'a']), 'x.pth')
    cfg.model = dict(language_model=dict(type='BertModel'))
    heads.check_trained_order(cfg, ('test',), dict(CLASSES=['b', 'a']), 'x.pth')


def test_of_many_classes_the_rarest_and_the_commonest_are_told():
    split = Split('train_dataloader.dataset', 40, 40, 3, {f'class {number}': number for number in range(13)})
    assert str(split) == ('40 images, 3 without objects, 78 objects of 13 classes, from class 0 0 to class 12 12; '
                          '1 classes have none')
    assert str(Split('val_dataloader.dataset', 3)) == '3 images (0 of them counted)'


def test_parts_of_mmdets_concat_dataset_may_differ_in_what_they_say_of_their_classes(tmp_path):
    """Its metainfo is a list then; mmdet trains on it."""
    (tmp_path / '0.png').touch()
    (tmp_path / 'notes.json').write_text(json.dumps(dict(
        images=[dict(id=0, file_name='0.png', width=9, height=9)], categories=[dict(id=1, name='nut')],
        annotations=[dict(id=1, image_id=0, category_id=1, bbox=[1, 1, 5, 5], area=25, iscrowd=0)])))
    parts = [dict(type='CocoDataset', data_root=str(tmp_path), ann_file='notes.json', pipeline=[],
                  data_prefix=dict(img=''), metainfo=dict(classes=('nut',), palette=[(red, 0, 0)])) for red in (1, 2)]
    cfg = Config(dict(default_scope='mmdet', train_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=parts))))
    with config_tree.config_scope(cfg):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert str(check_dataset(dataset, 'train', cfg)) == '2 images, 0 without objects, 2 objects: nut 2'


class Elsewhere(LocalBackend):
    """As an object store is: what configs call a path is none of this disk."""

    def __init__(self, root):
        self.root = root

    def get(self, filepath):
        return super().get(f'{self.root}/{filepath}')

    def get_local_path(self, filepath):
        return super().get_local_path(f'{self.root}/{filepath}')


def test_files_that_a_backend_reads_from_elsewhere_are_not_looked_for_on_the_disk(tmp_path):
    register_backend('elsewhere', Elsewhere, force=True)
    backend = dict(backend='elsewhere', root=str(tmp_path))
    (tmp_path / 'bucket').mkdir()
    cv2.imwrite(str(tmp_path / 'bucket/0.png'), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / 'bucket/notes.json').write_text(json.dumps(dict(
        images=[dict(id=0, file_name='0.png', width=9, height=9)], categories=[dict(id=1, name='nut')],
        annotations=[dict(id=1, image_id=0, category_id=1, bbox=[1, 1, 5, 5], area=25, iscrowd=0)])))
    cfg = Config(dict(default_scope='mmdet', test_dataloader=dict(dataset=dict(
        type='CocoDataset', data_root='bucket', ann_file='notes.json', data_prefix=dict(img=''), test_mode=True,
        metainfo=dict(classes=('nut',)), backend_args=backend, pipeline=[
            dict(type='LoadImageFromFile', backend_args=backend), dict(type='PackDetInputs', meta_keys=())])),
        test_evaluator=dict(type='CocoMetric', ann_file='bucket/notes.json', backend_args=backend)))
    check_files(cfg, ('test',))
    with config_tree.config_scope(cfg):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert str(check_dataset(dataset, 'test', cfg)) == '1 images, 0 without objects, 1 objects: nut 1'
    assert dataset[0]['inputs'].shape == (3, 9, 9)


@pytest.mark.parametrize(('loader', 'looked_for'), [('LoadImageFromFile', True), ('LoadFromArchive', False)])
def test_images_are_looked_for_where_a_step_reads_them_as_files(loader, looked_for):
    """A step of a user may read them from one archive, by names that are none of files."""
    class OfOne:
        def __len__(self):
            return 1

        def get_data_info(self, index):
            return dict(img_path='absent.png')
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='Mine', pipeline=[dict(type=loader)]))))
    with pytest.raises(ConfigProblem, match='do not exist, such as absent.png') if looked_for else nullcontext():
        check_dataset(OfOne(), 'train', cfg)


@pytest.mark.parametrize('backend', [None, dict(backend='local'), dict(backend='disk')], ids=str)
def test_files_that_are_read_from_the_disk_are_looked_for_there(backend):
    cfg = Config(dict(
        test_dataloader=dict(dataset=dict(type='CocoDataset', ann_file='none.json', backend_args=backend)),
        test_evaluator=dict(type='CocoMetric', ann_file='none_either.json', backend_args=backend)))
    with pytest.raises(ConfigProblem, match=r'none\.json'):
        check_files(cfg, ('test',))
    cfg.pop('test_dataloader')
    with pytest.raises(ConfigProblem, match='none_either.json does not exist'):
        check_files(cfg, ('test',))


def test_labels_without_names_are_counted_by_their_numbers():
    split = Split('train_dataloader.dataset', 3, 3)
    _count(split, [dict(gt_label=label) for label in (2, 0, 2)], ())
    assert split.objects == {'0': 1, '2': 2}


def test_users_errors_keep_their_lines_and_others_become_one():
    text = 'first line\n    second line'
    assert explained(ValueError(text)) == explained(OSError(text)) == text
    assert explained(RuntimeError(text)) == 'first line second line'


def test_a_head_with_things_alone_is_counted_by_its_classes():
    assert heads.counted(dict(model=dict(bbox_head=dict(num_things_classes=3, num_classes=5)))) == [
        ('model.bbox_head.num_classes', 5)]


@pytest.mark.parametrize('dataset', [dict(type='mmdet.BaseDetDataset'), dict(type='CustomDataset', ann_file='a.txt'),
                                     dict(type='CustomDataset', with_label=False)])
def test_folders_are_classes_only_where_nothing_else_names_them(tmp_path, dataset):
    (tmp_path / 'washer').mkdir()
    cfg = Config(dict(default_scope='mmpretrain'))
    assert annotations.classes_of(dict(type='CustomDataset', data_root=str(tmp_path)), cfg) == ('washer',)
    assert annotations.classes_of(dict(dataset, data_root=str(tmp_path)), cfg) == ()


def test_maps_that_the_backbone_does_not_have_are_left_to_the_head():
    model = Part(ResNet(depth=(1, 1), base_channels=4, out_indices=(0, 1)))
    head = dict(in_index=[0, 3], in_channels=[16, 64])
    network.check_channels(dict(model=dict(backbone={}, decode_head=head)), model)
    with pytest.raises(ConfigProblem, match=r'decode_head.in_channels=\[16,99\]'):
        network.check_channels(
            dict(model=dict(backbone={}, decode_head=dict(in_index=[0, 1], in_channels=[16, 99]))), model)


@pytest.mark.parametrize('outer', [dict(), dict(input_size=64, context=GLOBAL)], ids=['plain', 'of unknown size'])
def test_the_map_sizes_of_an_inner_detector_are_checked_behind_another_backbone(outer):
    inner = Part(ResNet(**TINY, input_size=64, context=GLOBAL))
    model = Part(nn.Sequential(ResNet(**TINY, **outer)), inner)
    cfg = dict(model=dict(backbone={}, detector=dict(backbone={})), train_dataloader=dict(dataset=dict(
        type='CocoDataset', pipeline=[dict(type='Resize', scale=(96, 96), keep_ratio=False)])))
    with pytest.raises(ConfigProblem, match='model.detector.backbone.context has operators .*64x64.* 96x96'):
        network.check_map_sizes(cfg, model, ('train',))

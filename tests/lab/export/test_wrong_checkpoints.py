"""Whatever checkpoint is tested or predicted with, nothing is random and no plain network passes for a trained one."""

import copy
import json
import re
import shutil

import pytest
import torch
from mmengine.config import Config

from se_backbones.pretrained import requirements


@pytest.fixture(scope='module')
def plain(detector, tmp_path_factory):
    """The checkpoint of the same detector without operators."""
    return without(detector[1], tmp_path_factory.mktemp('plain') / 'plain.pth', lambda key: '.context.' in key)


@pytest.fixture(scope='module')
def foreign(detector, tmp_path_factory):
    """A classifier's checkpoint: the backbone is all there, of the detector's heads there is nothing."""
    return without(detector[1], tmp_path_factory.mktemp('foreign') / 'foreign.pth',
                   lambda key: not key.startswith('backbone.'))


@pytest.fixture(scope='module')
def shallow(detector, tmp_path_factory):
    """A checkpoint without the last stage."""
    return without(detector[1], tmp_path_factory.mktemp('shallow') / 'shallow.pth', lambda key: '.layer4.' in key)


def without(path, target, left_out):
    checkpoint = torch.load(path, weights_only=False)
    state = checkpoint['state_dict']
    for key in [key for key in state if left_out(key)]:
        del state[key]
    torch.save(checkpoint, target)
    return str(target)


@pytest.mark.parametrize(('door', 'name'), [('test', 'plain'), ('infer', 'foreign'), ('export', 'shallow'),
                                            ('infer', 'plain'), ('export', 'plain')])
def test_our_tools_refuse_it_in_one_line(door, name, detector, scenes, tool, tmp_path, request):
    path = request.getfixturevalue(name)
    argv = {'test': ['--work-dir', tmp_path], 'export': ['-o', tmp_path / 'x.onnx'],
            'infer': [scenes / 'val', '--out-dir', tmp_path / 'out']}[door]
    with pytest.raises(SystemExit) as stop:
        tool(door, detector[0], path, *argv)
    assert str(stop.value).startswith(f'error: {path} has no value, or one of another shape, for ')
    assert '\n' not in str(stop.value) and not list(tmp_path.rglob('*.jpg'))
    assert ('plain network' in str(stop.value)) == (name == 'plain')


@pytest.mark.parametrize(('door', 'name'), [
    *((door, 'se-backbones://se_resnet50.cadeen') for door in ('test', 'infer', 'export', 'excitations', 'load_from',
                                                               'init_cfg')),
    ('test', 'se-backbone://se_resnet50.cadene'), ('load_from', 'torchvision://resnet5'),
    ('init_cfg', 'http://192.0.2.1/a.pth')])
def test_a_mistyped_name_is_one_line_in_our_tools(door, name, detector, scenes, tool, tmp_path, monkeypatch):
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path))
    argv = {'test': ['--work-dir', tmp_path], 'export': ['-o', tmp_path / 'x.onnx'],
            'infer': [scenes / 'val', '--out-dir', tmp_path / 'out']}.get(door, ['--out-dir', tmp_path / 'out'])
    with pytest.raises(SystemExit) as stop:
        if door in ('load_from', 'init_cfg'):
            key = {'load_from': 'load_from', 'init_cfg': 'model.backbone.init_cfg.type=Pretrained '
                   'model.backbone.init_cfg.checkpoint'}[door]
            tool('train', detector[0], '--work-dir', tmp_path, '--cfg-options', *f'{key}={name}'.split(),
                 f'val_evaluator.ann_file={scenes}/annotations/instances_val.json', 'experiment_name=mistyped')
        else:
            tool(door, detector[0], name, *argv)
    said = str(stop.value)
    assert said.startswith('error: ') and re.search('Did you mean|only https URLs', said), said
    assert '\n' not in said or 'To go on without these weights' in said


def test_a_tool_tests_the_right_one(detector, tool, tmp_path):
    tool('test', *detector, '--work-dir', tmp_path, '--cfg-options', 'experiment_name=the_right_one')
    tested = json.loads(next(tmp_path.rglob('*.json')).read_text())
    assert tested['coco/bbox_mAP'] > 0.9  # what it finds is the truth here


@pytest.mark.parametrize('door', ['test', 'infer', 'export'])
def test_images_that_published_weights_were_not_trained_on_are_warned_of(door, classifier, digits, tool, tmp_path,
                                                                         monkeypatch, log):
    monkeypatch.setattr(requirements, '_warn_once', requirements._warn_once.__wrapped__)
    published = shutil.copy(classifier[1], tmp_path / 'resnet50-0676ba61.pth')
    argv = {'test': ['--work-dir', tmp_path / 'run', '--cfg-options', 'experiment_name=other_images'],
            'export': ['-o', tmp_path / 'x.pt', '--format', 'torchscript', '--images', '1'],
            'infer': [digits / 'val', '--out-dir', tmp_path / 'out']}[door]
    tool(door, classifier[0], published, *argv)
    told = {line for level, line in log if level == 'WARNING' and 'data_preprocessor' in line}
    assert len(told) == 1 and 'but resnet50.torchvision_v1 was trained on RGB with mean=[123' in told.pop()


def test_an_impossible_load_from_ends_training_in_one_line(detector, plain, scenes, tool, tmp_path):
    with pytest.raises(SystemExit, match='^error: Cannot insert layer.*insertion="fresh"'):
        tool('train', detector[0], '--work-dir', tmp_path, '--cfg-options', f'load_from={plain}',
             f'val_evaluator.ann_file={scenes}/annotations/instances_val.json',
             'model.backbone.context.placement=post', 'experiment_name=impossible')


def test_mmpretrains_doors_warn_with_a_count(classifier, tmp_path, log):
    from mmpretrain import ImageClassificationInferencer, get_model
    plain = without(classifier[1], tmp_path / 'plain.pth', lambda key: '.context.' in key)
    for door in (lambda: get_model(Config.fromfile(classifier[0]), pretrained=plain),
                 lambda: ImageClassificationInferencer(Config.fromfile(classifier[0]), pretrained=plain)):
        log.clear()
        door()
        assert len(warnings_of(log)) == 1 and 'inserted 4 operators into the plain' in warnings_of(log)[0]


def warnings_of(log):
    return [line for level, line in log if level == 'WARNING' and 'ResNet (backbone)' in line]


@pytest.mark.parametrize(('name', 'words'), [
    ('plain', 'inserted 8 operators into the plain weights'), ('shallow', r'of its \d+ tensors are missing')])
@pytest.mark.parametrize('door', ['init_detector', 'DetInferencer', 'Runner'])
def test_the_hosts_doors_warn_with_a_count(door, name, words, detector, request, log, tmp_path):
    path = request.getfixturevalue(name)
    cfg = Config.fromfile(detector[0])
    if door == 'init_detector':
        from mmdet.apis import init_detector
        init_detector(cfg, path, device='cpu')
    elif door == 'DetInferencer':
        from mmdet.apis import DetInferencer
        cfg = copy.deepcopy(cfg)
        cfg.visualizer = dict(type='DetLocalVisualizer')
        DetInferencer(cfg, path, 'cpu', show_progress=False)
    else:  # as mmdet's and mmpretrain's tools/test.py
        from mmengine.runner import Runner
        cfg.update(work_dir=str(tmp_path), load_from=path, experiment_name=f'hosts_{name}')
        Runner.from_cfg(cfg).test()
    assert len(warnings_of(log)) == 1 and re.search(words, warnings_of(log)[0])

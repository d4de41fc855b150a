"""What is said before a run starts."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import nn

import se_backbones
from se_backbones.engine.checks import network, options
from se_backbones.engine.checks.config_tree import LOOPS
from se_backbones.engine.preflight import ConfigProblem, check_config, check_files, check_settings


def shipped(name):
    return Config.fromfile(se_backbones.config_path(name))


def test_missing_coco_shows_the_layout_and_the_small_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigProblem) as problem:
        check_config(shipped('faster_rcnn_ge_r50.py'), ('train', 'val'))
    for part in ('data/coco/annotations/instances_train2017.json', 'train2017/', 'instances_val2017.json',
                 'configs/digits/faster_rcnn_ge_r18.py'):
        assert part in str(problem.value)


@pytest.mark.parametrize(('name', 'command'), [
    ('digits/faster_rcnn_ge_r18.py', 'digits'),
    ('digits/resnet18_se.py', 'digits --kind digits'),
    ('digits/gather_norms/ge_gn.py', 'digits --hard'),
    ('trees/faster_rcnn_ge_r18.py', 'trees')])
def test_missing_small_data_name_the_command_that_makes_them(tmp_path, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigProblem, match=rf'se-backbones data {command}$'):
        check_config(shipped(name), ('train',))


def test_a_missing_file_is_answered_with_the_nearest_name(tmp_path):
    (tmp_path / 'train.json').write_text('{}')
    (tmp_path / 'photos').mkdir()
    cfg = Config(dict(train_dataloader=dict(dataset=dict(
        type='CocoDataset', data_root=str(tmp_path), ann_file='trains.json', data_prefix=dict(img='photo/')))))
    with pytest.raises(ConfigProblem) as error:
        check_config(cfg, ('train',))
    assert str(error.value).splitlines()[1:] == [
        f"    train_dataloader.dataset: {tmp_path}/trains.json. Did you mean 'train.json'?",
        f"    train_dataloader.dataset: {tmp_path}/photo/. Did you mean 'photos'?",
        'Put it there, or change data_root, ann_file or data_prefix of train_dataloader.dataset.']


def test_only_the_loops_that_run_are_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_config(shipped('faster_rcnn_ge_r50.py'), ())
    with pytest.raises(ConfigProblem, match='The data of this config is not there'):
        check_config(shipped('faster_rcnn_ge_r50.py'), ('train',))


def test_after_the_checks_messages_are_logged_as_before(log):
    check_config(shipped('faster_rcnn_ge_r50.py'), ())
    print_log('after', logger='current')
    assert ('INFO', 'after') in log


def test_wrapped_data_sets_are_looked_into(tmp_path):
    inner = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='a.json')
    cfg = Config(dict(train_dataloader=dict(dataset=dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner, dict(inner)])))))
    with pytest.raises(ConfigProblem, match=r'train_dataloader.dataset.dataset.datasets\[0\]: .*a.json'):
        check_config(cfg, ('train',))
    (tmp_path / 'a.json').write_text('{"categories": [{"id": 1, "name": "person"}]}')
    check_files(cfg, ('train',))


def test_context_on_a_bare_type_says_the_prefix():
    cfg = Config(dict(model=dict(type='FasterRCNN', backbone=dict(
        type='ResNet', depth=50, context=dict(op=dict(type='SqueezeExcite'))))))
    with pytest.raises(ConfigProblem, match=r"model.backbone.type='ResNet' takes no context; write "
                                            r"type='se_backbones.ResNet'"):
        check_config(cfg, ())


def test_a_split_optimizer_that_cannot_be_saved_is_refused():
    cfg = Config(dict(launcher='pytorch', optim_wrapper=dict(optimizer=dict(type='ZeroRedundancyOptimizer'))))
    with pytest.raises(ConfigProblem, match='the run would hang at its first checkpoint'):
        check_config(cfg, ('train',))
    check_config(cfg, ('test',))
    cfg.merge_from_dict({'default_hooks.checkpoint.save_optimizer': False})
    check_config(cfg, ('train',))


@pytest.mark.parametrize('kind', ['mmengine.Pretrained', 'mmdet.Pretrained',
                                  'mmengine.model.weight_init.PretrainedInit'])
def test_a_spelling_with_which_the_heads_would_be_random_is_refused(kind):
    cfg = Config(dict(model=dict(type='FasterRCNN', init_cfg=[dict(type=kind, checkpoint='x.pth')])))
    with pytest.raises(ConfigProblem, match=rf"model.init_cfg.type='{kind}': .* Write type='Pretrained'"):
        check_files(cfg, ())
    for kind in ('Pretrained', 'se_backbones.Pretrained'):
        cfg.model.init_cfg[0].type = kind
        check_files(cfg, ())


class Semi(nn.Module):
    """As mmdet's SoftTeacher: two detectors of one config."""

    def __init__(self, op):
        super().__init__()
        config = dict(type='se_backbones.ResNet', depth=(1,), base_channels=4, norm_eval=False, context=dict(op=op),
                      init_cfg=dict(type='Pretrained', checkpoint='x.pth'))
        for name in ('student', 'teacher'):
            self.add_module(name, nn.Module())
            getattr(self, name).backbone = MODELS.build(config)


def semi_supervised(hook='mmdet.MeanTeacherHook', **options):
    return Config(dict(model=dict(type='SoftTeacher', detector=dict(type='FasterRCNN', backbone=dict())),
                       default_scope='mmdet', train_dataloader=dict(batch_size=1),
                       custom_hooks=[dict(type='NumClassCheckHook'), dict(type=hook, **options)]))


@pytest.mark.parametrize('variant', ['theta', 'theta_plus'])
def test_a_mean_teacher_that_leaves_its_gathers_norms_behind_is_refused(variant):
    op = dict(type='GatherExcite', variant=variant, extent=2)
    with pytest.raises(ConfigProblem, match=r'custom_hooks\[1\] .*Set custom_hooks\[1\].skip_buffer=False'):
        network.check_mean_teacher(semi_supervised(), Semi(op))
    network.check_mean_teacher(semi_supervised(skip_buffer=False), Semi(op))
    network.check_mean_teacher(semi_supervised('EMAHook'), Semi(op))  # averages buffers by itself
    for without in (dict(type='SqueezeExcite'), dict(**op, norm_cfg=dict(type='GN', num_groups=4))):
        network.check_mean_teacher(semi_supervised(), Semi(without))


def test_the_backbone_of_a_detector_in_another_model_is_looked_at():
    """SoftTeacher, QDTrack, ..."""
    model = Semi(dict(type='GatherExcite', variant='theta', extent=2))
    text, = network.unsteady_norms(semi_supervised(), model)
    assert text.startswith('model.detector.backbone: the batch norms of 1 learned gathers')
    text, = network.norms_that_mmdet_freezes(semi_supervised(), model)
    assert text.startswith('model.detector.backbone: norm_eval is not given')


def test_mmdets_mean_teacher_takes_the_key_that_is_said_and_averages_with_it():
    from mmdet.engine.hooks import MeanTeacherHook
    for skip_buffer in (True, False):
        model = Semi(dict(type='GatherExcite', variant='theta', extent=2))
        norm = model.student.backbone.layer1[0].context['standard'].gather.last_norm
        norm.running_mean.fill_(3)
        MeanTeacherHook(skip_buffer=skip_buffer).momentum_update(model, 1)
        mean = model.teacher.backbone.layer1[0].context['standard'].gather.last_norm.running_mean
        assert mean.eq(0 if skip_buffer else 3).all()


def stock(host, pattern='**/*.py'):
    return sorted(path for path in Path(find_spec(host).origin).parent.joinpath('.mim/configs').glob(pattern)
                  if '_base_' not in path.parts)


def check_stock(path):
    """Check a stock config, with our backbone where it has a ResNet that ours replaces."""
    cfg = Config.fromfile(path, import_custom_modules=False)
    backbone = cfg.get('model', {}).get('backbone') or {}
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for _ in options.misspelt_keys(cfg):
            pytest.fail(f'{path}: a key of its own is taken for misspelt')
    if backbone.get('type') in ('ResNet', 'ResNeXt') and 'detector' not in cfg.model:
        backbone.type = f'se_backbones.{backbone.type}'
        backbone.context = dict(op=dict(type='GatherExcite', variant='theta', extent=8))
        try:
            check_settings(cfg, LOOPS)
        except ConfigProblem as problem:
            # Teachers that are downloaded, mmcv's SyncBN without a group, a misspelt type in mmpretrain.
            assert str(problem).startswith('model: '), path
    else:
        # Its own constructors may want files or downloads.
        check_settings(cfg, LOOPS, torch.nn.Identity())


@pytest.mark.parametrize('host', ['mmdet', 'mmpretrain'])
def test_stock_configs_are_legal(host):
    chosen = stock(host)[::37]
    assert len(chosen) > 5
    for path in chosen:
        check_stock(path)


@pytest.mark.slow
@pytest.mark.parametrize('host', ['mmdet', 'mmpretrain', 'mmseg'])
def test_every_stock_config_is_legal(host):
    if find_spec(host) is None:
        pytest.skip(f'{host} is not installed')
    checked = 0
    for path in stock(host):
        if path.match('efficientnet_v2/*in21k.py'):
            continue  # their heads have 21,843 classes, their data is ImageNet of 1,000
        try:
            Config.fromfile(path, import_custom_modules=False)
        except Exception:  # noqa: BLE001, S112 one that mmengine cannot read is not about us
            continue
        check_stock(path)
        checked += 1
    assert checked > 500


@pytest.mark.parametrize(('norm', 'images', 'launcher', 'more', 'warns'), [
    ('BN', 2, 'none', {}, True),
    ('BN', 2, 'pytorch', {}, True),
    ('BN', 3, 'none', {}, False),
    ('SyncBN', 1, 'none', {}, True),  # mmengine makes it BN in one process
    ('SyncBN', 1, 'pytorch', {}, False),
    ('GN', 1, 'none', {}, False),
    ('BN', 1, 'none', dict(freeze_with_stage=True), False)])
def test_batch_norms_of_gathers_that_see_one_or_two_images_are_warned_of(norm, images, launcher, more, warns):
    norm_cfg = dict(type=norm, **(dict(num_groups=2) if norm == 'GN' else {}))
    op = dict(type='GatherExcite', variant='theta', extent=8, norm_cfg=norm_cfg)
    cfg = dict(model=dict(backbone={}), train_dataloader=dict(batch_size=images), launcher=launcher)
    backbone = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4, norm_eval=True,
                                 frozen_stages=2, context=dict(op=op, **more)))
    found = list(network.unsteady_norms(cfg, nn.ModuleDict({'backbone': backbone})))
    assert len(found) == warns
    if warns:
        assert '2 learned gathers (layer1.0.context.standard.gather, ...)' in found[0]
        assert f'train_dataloader.batch_size={images}' in found[0] and "norm_cfg=dict(type='GN'" in found[0]


@pytest.mark.parametrize(('backbone', 'scope', 'warns'), [
    ({}, 'mmdet', True), (dict(norm_eval=False), 'mmdet', False), (dict(norm_eval=True), 'mmdet', False),
    (dict(init_cfg=None), 'mmdet', False), ({}, 'mmpretrain', False), (dict(frozen_stages=2), 'mmdet', False),
    (dict(type='se_backbones.VGG', depth=11), 'mmdet', False)], ids=str)
def test_weights_whose_norms_mmdet_would_keep_by_default_are_warned_of(backbone, scope, warns):
    """SOLO and others leave norm_eval out."""
    node = dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4,
                init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'))
    if 'type' in backbone:
        node = dict(init_cfg=node['init_cfg'])
    node |= backbone
    model = nn.ModuleDict({'backbone': MODELS.build(dict(node))})
    found = list(network.norms_that_mmdet_freezes(dict(default_scope=scope, model=dict(backbone=node)), model))
    assert len(found) == warns and all('norm_eval is not given' in text for text in found)


def test_a_neck_of_a_config_without_out_indices_is_not_to_be_shortened():
    """mmdet's default is all stages, ours the last one."""
    model = SimpleNamespace(backbone=SimpleNamespace(feature_info=[SimpleNamespace(channels=8)], out_indices=(3,)))
    neck = dict(type='FPN', in_channels=[1, 2, 4, 8])
    with pytest.raises(ConfigProblem, match=r'Set model.backbone.out_indices, such as \(0, 1, 2, 3\)'):
        network.check_channels(dict(model=dict(backbone={}, neck=neck)), model)
    with pytest.raises(ConfigProblem, match=r'Set model.neck.in_channels=\[8\]'):
        network.check_channels(dict(model=dict(backbone=dict(out_indices=(3,)), neck=neck)), model)


def test_a_constructor_that_does_not_know_the_backbone_is_named():
    """mmdet's asks for the name of the class, and raises an error without text."""
    wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1),
                   constructor='LearningRateDecayOptimizerConstructor',
                   paramwise_cfg=dict(decay_rate=0.9, decay_type='layer_wise', num_layers=6))
    cfg = Config(dict(default_scope='mmdet', model=dict(type='RetinaNet', backbone=dict()), optim_wrapper=wrapper))
    model = nn.ModuleDict(dict(backbone=MODELS.build(dict(type='se_backbones.ResNet', depth=(1,), base_channels=4))))
    with pytest.raises(ConfigProblem, match=r"constructor='LearningRateDecay.*' cannot count the layers of "
                                            r'model.backbone \(ResNet\). Leave constructor'):
        network.check_layer_decay(cfg, model)
    cfg.optim_wrapper.pop('constructor')
    network.check_layer_decay(cfg, model)


def test_a_head_is_compared_only_where_no_neck_may_change_the_channels():
    model = SimpleNamespace(backbone=SimpleNamespace(feature_info=[SimpleNamespace(channels=8)], out_indices=(3,)))

    def check(neck, in_channels):
        network.check_channels(dict(model=dict(backbone={}, neck=neck, head=dict(in_channels=in_channels))), model)
    for neck in (None, dict(type='GlobalAveragePooling'), dict(type='mmpretrain.GlobalAveragePooling')):
        check(neck, 8)
        with pytest.raises(ConfigProblem, match=r'model.head.in_channels=5, but model.backbone gives \[8\]'):
            check(neck, 5)
    check(dict(type='LinearReduction'), 5)


def test_synchronised_norms_in_processes_without_gpus_are_one_clear_error(monkeypatch):
    cfg = shipped('faster_rcnn_ge_r50_syncbn.py')
    check_settings(cfg, ('train',))  # in one process they are batch norms
    cfg.launcher = 'pytorch'
    monkeypatch.setattr(network, 'has_accelerator', lambda: True)
    check_settings(cfg, ('train',))
    monkeypatch.setattr(network, 'has_accelerator', lambda: False)
    with pytest.raises(ConfigProblem, match=r'model\.backbone\.layer2\.0\.context.*is a SyncBN.*GPUs only'):
        check_settings(cfg, ('train',))

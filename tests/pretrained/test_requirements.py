"""Published weights are recognised, and what the images are normalised with is compared with what they need."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import MODELS
from mmengine.runner import Runner

from se_backbones import config_path
from se_backbones.engine.preflight import ConfigProblem, check_settings
from se_backbones.pretrained import requirements
from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.names import published_name, recognised
from se_backbones.pretrained.requirements import (
    preprocessing_warnings,
    running_config,
    warn_about_images,
)


def test_names_are_read_with_and_without_the_classifier():
    assert published_name('se-backbones://a.b') == published_name('se-backbones://a.b/classifier') == 'a.b'
    assert published_name('torchvision://resnet50') is None and published_name(None) is None


@pytest.mark.parametrize('checkpoint', [
    'se-backbones://resnet50.detectron2', 'open-mmlab://detectron2/resnet50_caffe', 'resnet50_msra-5891d200.pth',
    '/data/resnet50_msra-5891d200.pth', 'https://mmassets.onedl.ai/pretrain/third_party/resnet50_msra-5891d200.pth',
    'file:///data/resnet50_msra-5891d200.pth'])
def test_published_weights_are_recognised_whatever_a_config_calls_them(checkpoint):
    assert recognised(checkpoint).name == 'resnet50.detectron2'


def test_others_are_not_recognised_and_a_misspelt_name_is_an_error():
    assert recognised('work_dirs/x/epoch_1.pth') is None and recognised(None) is None
    assert recognised('torchvision://resnet50').name == 'resnet50.torchvision_v1'
    with pytest.raises(WeightsError, match=r"torchvision:// has no weights named 'resnet5'. Did you mean 'resnet50'"):
        recognised('torchvision://resnet5')


def config(checkpoint, **preprocessor):
    return Config(dict(model=dict(data_preprocessor=preprocessor, backbone=dict(init_cfg=dict(
        type='Pretrained', checkpoint=checkpoint)))))


RGB = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


@pytest.mark.parametrize('cfg', [
    config('se-backbones://se_resnet50.cadene', bgr_to_rgb=True, **RGB),
    config('se-backbones://se_resnet50.cadene', to_rgb=True, **RGB),
    config('https://example.org/own.pth', mean=[1, 2, 3], std=[1, 1, 1]),
    config('se-backbones://se_resnet50.caffe', bgr_to_rgb=False, mean=[104, 117, 123], std=[1, 1, 1]),
    Config(dict(model=dict(backbone=dict(type='ResNet')))),
    Config(dict()),
])
def test_the_right_images_do_not_warn(cfg):
    assert list(preprocessing_warnings(cfg)) == []


def test_the_wrong_images_warn_with_both_values():
    cfg = config('se-backbones://se_resnet50.caffe', bgr_to_rgb=True, **RGB)
    [text] = preprocessing_warnings(cfg)
    assert 'RGB with mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]' in text
    assert 'se_resnet50.caffe was trained on BGR with mean=[104' in text


@pytest.mark.parametrize(('change', 'said'), [
    (dict(bgr_to_rgb=True), 'RGB with'), (dict(mean=[104, 117, 124]), r'mean=\[104, 117, 124\], std=\[1'),
    (dict(std=[1, 1, 1.1]), r'std=\[1, 1, 1.1\], but')], ids=['order', 'mean', 'std'])
def test_order_mean_and_std_warn_each_by_itself(change, said):
    right = dict(bgr_to_rgb=False, mean=[104, 117, 123], std=[1, 1, 1])
    [text] = preprocessing_warnings(config('se-backbones://se_resnet50.caffe', **right | change))
    assert re.search(said, text)


def test_a_classifiers_top_level_preprocessor_counts():
    cfg = config('se-backbones://se_resnet50.cadene')
    cfg.data_preprocessor = dict(to_rgb=False, **RGB)
    [text] = preprocessing_warnings(cfg)
    assert 'BGR with' in text


def test_a_classifiers_checkpoint_counts_as_its_backbones():
    model = dict(backbone=dict(type='se_backbones.ResNet'))
    cfg = Config(dict(load_from='se-backbones://se_resnet50.cadene/classifier', model=model,
                      data_preprocessor=dict(to_rgb=False, **RGB)))
    [text] = preprocessing_warnings(cfg)
    assert 'gives the backbone BGR with' in text


@pytest.fixture
def run():
    """Return a function that says, as a Runner does before it initialises a model, which config runs."""
    def run(text):
        MessageHub.get_instance('test_requirements').update_info('cfg', text)
    yield run
    MessageHub._instance_dict.pop('test_requirements', None)


def test_the_config_that_runs_is_known_whoever_started_it(run):
    run(config('se-backbones://se_resnet50.caffe', bgr_to_rgb=True, **RGB).pretty_text)
    [text] = preprocessing_warnings(running_config())
    assert 'se_resnet50.caffe was trained on BGR' in text


def test_every_shipped_config_is_read_as_mmengine_writes_it(run):
    paths = sorted(Path(config_path()).glob('pretrained/*.py'))
    assert len(paths) > 5
    for path in paths:
        cfg = Config.fromfile(path)
        run(cfg.pretty_text)
        found = running_config()
        assert found['model'] == cfg.to_dict()['model']
        assert list(preprocessing_warnings(found)) == []


@pytest.mark.parametrize('text', ['', 'model = dict(a=', 'model = dict(a=open("x"))', 'model = __import__("os")', None,
                                  3])
def test_what_is_no_config_says_nothing_and_is_not_run(run, text):
    run(text)
    assert running_config() == {}


def test_a_hosts_runner_warns_too_where_only_init_cfg_names_the_weights(tmp_path, log, monkeypatch):
    monkeypatch.setattr(requirements, '_warn_once', requirements._warn_once.__wrapped__)
    backbone = dict(type='se_backbones.ResNet', depth=(1, 1), num_stages=2, out_indices=(1,), base_channels=4)
    path = tmp_path / 'resnet50-0676ba61.pth'
    torch.save(MODELS.build(backbone).state_dict(), path)
    runner = Runner.from_cfg(Config(dict(
        default_scope='mmpretrain', work_dir=str(tmp_path), experiment_name='images', model=dict(
            type='ImageClassifier', data_preprocessor=dict(mean=[1, 2, 3], std=[1, 1, 1], to_rgb=True),
            backbone=dict(backbone, init_cfg=dict(type='Pretrained', checkpoint=str(path))),
            neck=dict(type='GlobalAveragePooling'), head=dict(type='LinearClsHead', num_classes=2, in_channels=32)))))
    runner.call_hook('before_run')  # as Runner.train does
    runner.model.init_weights()
    told = [line for level, line in log if level == 'WARNING' and 'data_preprocessor' in line]
    assert told == ['model.data_preprocessor gives the backbone RGB with mean=[1, 2, 3], std=[1, 1, 1], but '
                    'resnet50.torchvision_v1 was trained on RGB with mean=[123.675, 116.28, 103.53], '
                    'std=[58.395, 57.12, 57.375].']


def test_the_preflight_of_every_tool_and_hook_compares_images_and_settings(monkeypatch):
    """PreflightHook in the hosts' scripts, sweeps and reports among them."""
    said = []
    monkeypatch.setattr(requirements, '_warn_once', said.append)
    cfg = Config(dict(load_from='/data/resnet50-0676ba61.pth', default_scope='mmpretrain', model=dict(
        type='ImageClassifier', backbone=dict(type='se_backbones.ResNet', depth=(1,), num_stages=1, out_indices=(0,)),
        data_preprocessor=dict(mean=[1, 2, 3], std=[1, 1, 1], to_rgb=True))))
    check_settings(cfg, ())
    assert len(said) == 1 and 'but resnet50.torchvision_v1 was trained on RGB with mean=[123' in said[0]
    cfg.model.backbone.style = 'caffe'
    with pytest.raises(ConfigProblem, match=r"model.backbone has style='caffe', but resnet50.torchvision_v1 was"):
        check_settings(cfg, ())


def test_it_is_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(requirements, '_warn_once', cache(requirements._warn_once.__wrapped__))
    monkeypatch.setattr(requirements, 'print_log', lambda text, **kwargs: said.append(text))
    for _ in range(2):
        warn_about_images(config('se-backbones://se_resnet50.caffe', bgr_to_rgb=True, mean=[1, 2, 3], std=[1, 1, 1]))
    assert len(said) == 1

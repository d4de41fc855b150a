"""What is said before a run starts."""

import pytest
from mmengine.config import Config

import se_backbones
from se_backbones.engine.preflight import ConfigProblem, check_config


def shipped(name):
    return Config.fromfile(se_backbones.config_path(name))


def test_missing_coco_shows_the_layout_and_the_small_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigProblem) as problem:
        check_config(shipped('faster_rcnn_ge_r50.py'), ('train', 'val'))
    for part in ('data/coco/annotations/instances_train2017.json', 'train2017/', 'instances_val2017.json',
                 'configs/digits/faster_rcnn_ge_r18.py'):
        assert part in str(problem.value)


def test_missing_digits_name_the_command_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigProblem, match=r'tools/dataset_converters/make_digit_scenes.py'):
        check_config(shipped('digits/faster_rcnn_ge_r18.py'), ('train',))
    with pytest.raises(ConfigProblem, match=r'--kind digits'):
        check_config(shipped('digits/resnet18_se.py'), ('train',))


def test_only_the_loops_that_run_are_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_config(shipped('faster_rcnn_ge_r50.py'), ())


def test_wrapped_data_sets_are_looked_into(tmp_path):
    inner = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='a.json')
    cfg = Config(dict(train_dataloader=dict(dataset=dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner, dict(inner)])))))
    with pytest.raises(ConfigProblem, match=r'train_dataloader.dataset.dataset.datasets\[0\]: .*a.json'):
        check_config(cfg, ('train',))
    (tmp_path / 'a.json').touch()
    check_config(cfg, ('train',))


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

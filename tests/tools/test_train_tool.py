"""What tools/train.py makes of a config before a Runner gets it."""

import contextlib
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

import se_backbones
from se_backbones.lab.analysis.curves import read_curves
from se_backbones.lab.starting import _Runner
from se_backbones.pretrained import requirements


@pytest.fixture
def config(tmp_path, digits):
    """Return a function that writes a config of a small classifier with more lines, and returns its path."""
    def write(*lines):
        path = tmp_path / 'mine.py'
        path.write_text('\n'.join([f'_base_ = {se_backbones.config_path("digits/resnet18_se.py")!r}', *(
            f'{loader}_dataloader = dict(dataset=dict(data_root={str(digits)!r}))'
            for loader in ('train', 'val', 'test')), *lines]))
        return path
    return write


@pytest.fixture
def train(tool, tmp_path, monkeypatch):
    """Return a function that calls the tool and returns the config that would run."""
    from se_backbones.lab.commands import train
    seen = []

    @contextlib.contextmanager
    def started(cfg, *_):
        seen.append(cfg)
        yield SimpleNamespace(train=lambda: None)
    monkeypatch.setattr(train, 'started', started)

    def run(config, *words):
        tool('train', config, '--work-dir', tmp_path / 'work', *words)
        return seen.pop()
    return run


def test_checkpoints_are_written_by_our_hook(config, train):
    assert train(config()).default_hooks.checkpoint.type == 'se_backbones.CheckpointHook'


def test_the_first_run_that_may_resume_begins_from_the_configs_weights(config, train, tmp_path):
    (tmp_path / 'plain.pth').touch()
    cfg = train(config(f'load_from = {str(tmp_path / "plain.pth")!r}'), '--resume')
    assert (cfg.resume, cfg.load_from) == (False, str(tmp_path / 'plain.pth'))


@pytest.mark.parametrize(('words', 'dtype', 'scale'), [
    (['--amp'], 'float16', 'dynamic'), (['--amp', 'bfloat16'], 'bfloat16', 1.0)])
def test_amp_wraps_the_optimizer_and_scales_float16_alone(config, train, monkeypatch, words, dtype, scale):
    monkeypatch.setattr('se_backbones.engine.distributed.has_accelerator', lambda: True)
    wrapper = train(config(), *words).optim_wrapper
    assert (wrapper.type, wrapper.dtype, wrapper.loss_scale) == ('AmpOptimWrapper', dtype, scale)
    assert wrapper.optimizer.type == 'AdamW'


@pytest.mark.gpu
@pytest.mark.parametrize('words', [['--amp'], ['--amp', 'bfloat16']])
def test_amp_trains_on_a_gpu(config, tool, tmp_path, words):
    tool('train', config('train_cfg = dict(max_epochs=1, val_interval=1)'), '--work-dir', tmp_path / 'work', *words)
    curves = read_curves(tmp_path / 'work')
    assert curves['loss'].values[-1] < curves['loss'].values[0] and 'accuracy/top1' in curves


def test_amp_without_a_gpu_is_refused(config, train, monkeypatch):
    monkeypatch.setattr('se_backbones.engine.distributed.has_accelerator', lambda: False)
    with pytest.raises(SystemExit, match='--amp float16 needs a GPU'):
        train(config(), '--amp')


@pytest.mark.parametrize(('counts', 'rate'), [(1, 0.5), (4, 2.0)])
def test_a_step_of_several_passes_counts_all_of_their_images(counts, rate):
    runner = object.__new__(_Runner)
    runner._train_dataloader, runner._world_size, runner.param_schedulers = dict(batch_size=4), 2, None
    runner.logger = logging.getLogger(__name__)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    runner.scale_lr(OptimWrapper(optimizer, accumulative_counts=counts), dict(base_batch_size=16, enable=True))
    assert optimizer.param_groups[0]['lr'] == rate


def test_auto_scale_lr_is_switched_on_or_says_what_it_needs(config, train):
    lines = 'auto_scale_lr = dict(base_batch_size=64, enable=False)'
    assert train(config(lines), '--auto-scale-lr').auto_scale_lr == dict(base_batch_size=64, enable=True)
    assert not train(config(lines)).auto_scale_lr.enable
    with pytest.raises(SystemExit, match=r'--auto-scale-lr needs auto_scale_lr=dict\(base_batch_size=...\)'):
        train(config('auto_scale_lr = dict(_delete_=True)'), '--auto-scale-lr')


def test_images_that_published_weights_were_not_trained_on_are_warned_of(config, train, monkeypatch):
    told = []
    monkeypatch.setattr(requirements, '_warn_once', requirements._warn_once.__wrapped__)
    monkeypatch.setattr(requirements, 'print_log', lambda text, **_: told.append(text))
    train(config("model = dict(backbone=dict(type='se_backbones.ResNet', depth=50, _delete_=True,",
                 "    init_cfg=dict(type='Pretrained', checkpoint='se-backbones://resnet50.torchvision_v1')),",
                 '    head=dict(in_channels=2048),',
                 '    data_preprocessor=dict(mean=[1, 2, 3], std=[1, 1, 1]))'))
    assert [text for text in told if 'resnet50.torchvision_v1 was trained on RGB with mean=[123' in text]

"""channels_last and bfloat16 in training: a network does what its config asks for, with about the same loss."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

import se_backbones
from helpers import write_class_folders

CHANNELS_LAST = dict(custom_hooks=[dict(type='se_backbones.ChannelsLastHook'), dict(type='Look')])
BFLOAT16 = dict(optim_wrapper=dict(type='se_backbones.BFloat16OptimWrapper'), custom_hooks=[dict(type='Look')])


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp('data'), train=32, val=10)


@pytest.fixture
def looked():
    """Trains with the settings and returns losses, and types and layouts of maps in training and validation."""
    found = {}

    class Look(Hook):
        def before_train(self, runner):
            found.update(losses=[], train=set(), val=set())
            runner.model.backbone.layer1.register_forward_hook(self.look)

        def look(self, module, args, maps):
            found['train' if module.training else 'val'].add(
                (maps.dtype, maps.is_contiguous(memory_format=torch.channels_last)))

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            found['losses'].append(float(outputs['loss']))
            found['weights'] = {weight.dtype for weight in runner.model.parameters()}

    def run(root, folder, settings):
        cfg = Config.fromfile(se_backbones.config_path('digits/resnet18_se.py'))
        cfg.merge_from_dict(dict(work_dir=str(folder), train_cfg=dict(max_epochs=2, val_interval=2),
                                 param_scheduler=None, experiment_name=folder.name, **settings))
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.update(batch_size=8)
            loader.dataset.data_root = str(root)
        Runner.from_cfg(cfg).train()
        return dict(found)

    HOOKS.register_module(module=Look)
    yield run
    HOOKS.module_dict.pop('Look')


def test_maps_and_numbers_of_each(looked, data, tmp_path):
    plain = looked(data, tmp_path / 'plain', dict(custom_hooks=[dict(type='Look')]))
    last = looked(data, tmp_path / 'last', CHANNELS_LAST)
    half = looked(data, tmp_path / 'half', BFLOAT16)
    assert plain['train'] == plain['val'] == {(torch.float32, False)}
    assert last['train'] == last['val'] == {(torch.float32, True)}
    # Validation and the weights stay in float32.
    assert half['train'] == {(torch.bfloat16, False)} and half['val'] == {(torch.float32, False)}
    assert half['weights'] == {torch.float32}
    # Before the first step, after which rounding grows.
    first, *_ = plain['losses']
    assert last['losses'][0] == pytest.approx(first, rel=1e-5)
    assert half['losses'][0] != first and half['losses'][0] == pytest.approx(first, rel=0.02)

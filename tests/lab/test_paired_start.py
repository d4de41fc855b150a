"""Paired runs of one seed begin with the same weights where they have the same layers, and see the same images."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from helpers import write_class_folders, write_tiny_classifier
from se_backbones.engine import random_state
from se_backbones.lab.inference.loading import build_model
from se_backbones.lab.sweep import read_sweep, train

OTHER = "_base_ = './plain.py'\nmodel = dict(backbone=dict({}))\n"
VARIANTS = {'se': "context=dict(op=dict(type='SqueezeExcite', ratio=4))",
            'theta': "context=dict(op=dict(type='GatherExcite', variant='theta', extent='global'))",
            'wide': 'base_channels=4), head=dict(in_channels=16'}


def started(folder, variants, seeds, more=''):
    """What each run has before its first iteration: weights, images of all batches, random state."""
    seen = []

    class FirstBatch(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if batch_idx == 0:
                weights = {name: value.detach().clone() for name, value in runner.model.named_parameters()}
                seen.append((weights, [], random_state.capture()))
            seen[-1][1].append(torch.stack(data_batch['inputs']))

    data = write_class_folders(folder / 'data')
    write_tiny_classifier(folder / 'plain.py', data, f"custom_hooks = [dict(type='FirstBatch')]\n{more}")
    rows = ["{row = 'plain', config = 'plain.py'}"]
    for name in variants:
        (folder / f'{name}.py').write_text(OTHER.format(VARIANTS[name]))
        rows.append(f"{{row = '{name}', config = '{name}.py'}}")
    (folder / 'list.toml').write_text("baseline = 'plain.py'\npaired = true\n[[table]]\nname = ''\n"
                                      f'rows = [{", ".join(rows)}]\n')
    HOOKS.register_module(module=FirstBatch)
    try:
        found = {}
        for run in read_sweep([folder / 'list.toml']).runs(seeds, folder / 'out'):
            train(run)
            found[run.config.stem, run.seed] = seen.pop()
    finally:
        HOOKS.module_dict.pop('FirstBatch')
    return found


@pytest.fixture(scope='module')
def begun(tmp_path_factory):
    return started(tmp_path_factory.mktemp('paired'), VARIANTS, [0, 1])


@pytest.mark.parametrize('variant', ['se', 'theta'])
def test_the_layers_that_both_have_begin_with_the_same_weights(begun, variant):
    for seed in (0, 1):
        plain, other = begun['plain', seed][0], begun[variant, seed][0]
        assert len(plain) < len(other) and plain.keys() < other.keys()
        assert all(torch.equal(value, other[name]) for name, value in plain.items())


@pytest.mark.parametrize('variant', list(VARIANTS))
def test_the_same_images_come_in_the_same_order_with_the_same_crops(begun, variant):
    for seed in (0, 1):
        (_, images, state), (_, others, other) = begun['plain', seed], begun[variant, seed]
        assert len(images) == 4 and all(torch.equal(*pair) for pair in zip(images, others, strict=True))
        assert state['python'][0] == other['python'][0] and torch.equal(state['python'][1], other['python'][1])
        assert torch.equal(state['torch'], other['torch']) and torch.equal(state['numpy'][1], other['numpy'][1])


def test_seeds_differ(begun):
    for name in ('plain', *VARIANTS):
        (weights, images, _), (others, shown, _) = begun[name, 0], begun[name, 1]
        assert not torch.equal(weights['backbone.conv1.weight'], others['backbone.conv1.weight'])
        assert not np.array_equal(images[0], shown[0])
        operators = [key for key in weights if weights[key].dim() > 1 and key not in begun['plain', 0][0]]
        assert all(not torch.equal(weights[key], others[key]) for key in operators)


def test_networks_that_load_one_file_begin_with_it_and_see_the_same_images(tmp_path):
    write_tiny_classifier(tmp_path / 'trained.py', tmp_path)
    model = build_model(Config.fromfile(tmp_path / 'trained.py'))
    trained = {name: value.detach() for name, value in model.named_parameters()}
    torch.save(model.state_dict(), tmp_path / 'trained.pth')
    found = started(tmp_path, ['se', 'theta'], [0], f"load_from = '{tmp_path / 'trained.pth'}'")
    for weights, images, state in found.values():
        # The convolution and the norm before an operator whose gate is a half: twice the norm.
        assert sum(torch.equal(value, weights[key]) or torch.equal(2 * value, weights[key])
                   for key, value in trained.items()) == len(trained)
        assert all(torch.equal(*pair) for pair in zip(images, found['plain', 0][1], strict=True))
        assert torch.equal(state['torch'], found['plain', 0][2]['torch'])

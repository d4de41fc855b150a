"""Pruning at 0 is the network, at 1 the network without the branch, and in between the gates decide."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from helpers import as_if_trained
from se_backbones.engine.sites import blocks, operators
from se_backbones.lab.analysis.importance import importance, plot_importance, pruned, without_branch

SE = dict(type='SqueezeExcite', ratio=2)


def test_the_lowest_or_the_highest_gates_of_each_image_go_first():
    gate = torch.tensor([[0.1, 0.9, 0.5, 0.3], [0.8, 0.2, 0.4, 0.6]])[:, :, None, None]
    low = pruned(gate, 0.5, 'ascending').flatten(1)
    high = pruned(gate, 0.25, 'descending').flatten(1)
    assert torch.equal(low, torch.tensor([[0, 0.9, 0.5, 0], [0.8, 0, 0, 0.6]]))
    assert torch.equal(high, torch.tensor([[0.1, 0, 0.5, 0.3], [0, 0.2, 0.4, 0.6]]))


def test_a_map_is_ordered_by_its_mean_and_pruned_whole():
    gate = torch.tensor([[[[0.0, 1.0]], [[0.4, 0.4]]]])  # means 0.5 and 0.4
    assert torch.equal(pruned(gate, 0.5, 'ascending'), torch.tensor([[[[0.0, 1.0]], [[0.0, 0.0]]]]))


@pytest.mark.parametrize('order', ['ascending', 'descending'])
def test_ratio_zero_keeps_and_ratio_one_takes_all(order):
    gate = torch.rand(2, 5, 3, 3)
    assert torch.equal(pruned(gate, 0.0, order), gate)
    assert pruned(gate, 1.0, order).eq(0).all()


def test_the_ends_are_the_model_and_the_model_without_the_branch(subject, narrow):
    it = subject(narrow(SE))
    as_if_trained(it.model)
    data = importance(it, ['SE_3_2', 'SE_4_1'], [0.3], metric='mean/score')
    assert data.ratios == [0.0, 0.3, 1.0] and list(data.operators) == ['SE_3_2', 'SE_4_1']
    assert set(it.evaluate()) == {'mean/score', 'mean/images'}
    whole = it.evaluate()['mean/score']
    for name, curves in data.operators.items():
        norm = blocks(it.model)[name.replace('SE_', 'conv')].module.last_norm
        before = copy.deepcopy(norm.state_dict())
        nn.init.zeros_(norm.weight)
        nn.init.zeros_(norm.bias)
        without = it.evaluate()['mean/score']
        norm.load_state_dict(before)
        for curve in curves.values():
            assert curve[0] == whole
            np.testing.assert_allclose(curve[-1], without, rtol=1e-5)
        assert curves['ascending'][1] != curves['descending'][1] != whole


def test_the_plain_network_without_the_branch_is_the_same_point(subject, narrow):
    """An operator in one block only: without that block's branch, both networks are one."""
    images = [(torch.randn(3, 32, 32), label % 3) for label in range(10)]
    it = subject(narrow(SE, stages=(False, (False, True), False)), images)
    plain = subject(narrow(), images)
    as_if_trained(it.model)
    plain.model.load_state_dict({k: v for k, v in it.model.state_dict().items() if 'context' not in k})
    keys = list(plain.model.state_dict())
    data = importance(it, ratios=[], plain=plain)
    assert data.metric == 'mean/score'
    np.testing.assert_allclose(data.plain['SE_3_2'][1], data.operators['SE_3_2']['ascending'][-1], rtol=1e-5)
    assert data.plain['SE_3_2'][0] == plain.evaluate()['mean/score'] != data.operators['SE_3_2']['ascending'][0]
    assert list(plain.model.state_dict()) == keys


def test_an_operator_comes_back_after_its_branch_was_taken_away(subject, narrow):
    it = subject(narrow(SE))
    block, operator = blocks(it.model)['conv2_1'], operators(it.model)['SE_2_1'].operator
    with without_branch(block):
        assert block.module.context['standard'] is not operator
    assert block.module.context['standard'] is operator


def test_a_picture_is_written(subject, narrow, tmp_path):
    data = importance(subject(narrow(SE)), ['SE_2'], [0.5], plain=subject(narrow()))
    assert plot_importance(data, tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


# --- what a user can get wrong ---


def test_a_ratio_beyond_one(subject, narrow):
    with pytest.raises(ValueError, match='ratios must be from 0 to 1, got 50'):
        importance(subject(narrow(SE)), ratios=[50])


def test_an_unknown_metric(subject, narrow):
    with pytest.raises(ValueError, match="metric must be one of mean/score, mean/images, got 'mean/scor'. Did you"):
        importance(subject(narrow(SE)), ratios=[], metric='mean/scor')


def test_a_plain_network_without_the_block(subject, narrow):
    with pytest.raises(ValueError, match='plain network has no residual unit conv2_1 .* no blocks'):
        importance(subject(narrow(SE)), ['SE_2_1'], [], plain=subject(nn.Conv2d(3, 4, 1)))


def test_nan_gates(subject, narrow):
    it = subject(narrow(SE))
    nn.init.constant_(operators(it.model)['SE_2_1'].operator.excite.up.bias, torch.nan)
    with pytest.raises(ValueError, match='The gate of SE_2_1 .* is not finite'):
        importance(it, ['SE_2_1'], [])

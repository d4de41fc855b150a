"""The generators of Python, NumPy and torch go on where they were."""

import random

import numpy as np
import pytest
import torch

from se_backbones.engine import random_state


def draws():
    return [random.gauss(0, 1), np.random.standard_normal(), np.random.randint(1000), torch.rand(1).item()]


def test_all_generators_go_on_with_the_second_of_a_pair_of_gaussians_too():
    """Python and NumPy make two at once and keep one."""
    random.gauss(0, 1), np.random.standard_normal()
    state = random_state.capture()
    assert state['python'][2] is not None and state['numpy'][3]
    wanted = draws()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    random_state.restore(state)
    assert draws() == wanted


def test_the_state_of_a_gpu_is_left_out_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', lambda state: pytest.fail('there is no GPU'))
    state = dict(random_state.capture(), cuda=torch.zeros(16, dtype=torch.uint8))
    wanted = draws()
    random_state.restore(state)
    assert draws() == wanted


@pytest.mark.gpu
def test_the_generator_of_the_gpu_goes_on():
    state = random_state.capture()
    wanted = torch.rand(4, device='cuda')
    torch.rand(3, device='cuda')
    random_state.restore(state)
    assert torch.equal(torch.rand(4, device='cuda'), wanted)


@pytest.mark.parametrize(('saved', 'now'), [(1, 2), (2, 1)])
def test_with_another_number_of_processes_nothing_is_restored_and_the_reason_is_said(monkeypatch, saved, now):
    monkeypatch.setattr(random_state, 'get_world_size', lambda: now)
    monkeypatch.setattr(random_state, 'get_rank', lambda: now - 1)
    monkeypatch.setattr(random_state, 'restore', lambda state: pytest.fail('restored'))
    reason = random_state.resume(None, dict(iter=3, ranks=[random_state.capture()] * saved))
    assert reason == f'the checkpoint was saved by {saved} processes, and now there are {now}'

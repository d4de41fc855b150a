"""One rule and one environment variable decide which code runs."""

import pytest
import torch

from se_backbones.ops import dispatch
from se_backbones.registry import MODELS


@pytest.fixture(params=['auto', 'plain', 'fused'])
def asked(request, monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, request.param)
    return request.param


def test_auto_is_the_default(monkeypatch):
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    assert dispatch.choice() == 'auto'


def test_another_value_is_refused_when_a_network_is_built(monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, 'fast')
    with pytest.raises(ValueError, match="SE_BACKBONES_TAIL must be one of 'auto', 'plain', 'fused', got 'fast'"):
        MODELS.build(dict(type='se_backbones.ResNet', depth=(1,), base_channels=4))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_full_precision_on_a_cpu_is_fused_unless_plain_is_asked(asked, dtype):
    assert dispatch.code_for(torch.zeros(1, 1, 2, 2, dtype=dtype)) == (None if asked == 'plain' else 'cpu')


@pytest.mark.parametrize('dtype', dispatch.HALF)
def test_half_precision_on_a_cpu_is_fused_only_where_it_is_asked(asked, dtype):
    assert dispatch.code_for(torch.zeros(1, 1, 2, 2, dtype=dtype)) == ('torch' if asked == 'fused' else None)


@pytest.mark.parametrize('x', [torch.zeros(0, 3, 2, 2), torch.zeros(1, 3, 2, 2, device='meta'),
                               torch.zeros(1, 3, 2, 2, dtype=torch.int64), torch.nn.Parameter(torch.zeros(1, 1, 2, 2))],
                         ids=['empty', 'meta', 'integers', 'subclass'])
def test_what_no_code_is_for_is_plain(asked, x):
    assert dispatch.code_for(x) is None


def test_the_choice_is_logged_once(asked, monkeypatch):
    said = []
    monkeypatch.setattr(dispatch, 'print_log', lambda message, **_: said.append(message))
    dispatch._announce.cache_clear()
    for _ in range(2):
        MODELS.build(dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=4))
    assert len(said) == 1 and f'SE_BACKBONES_TAIL={asked}' in said[0]

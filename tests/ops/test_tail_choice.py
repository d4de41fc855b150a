"""One rule decides which code ends residual units: the environment, then the config, then what is faster."""

import pytest
import torch
from mmengine.registry import MODELS

from se_backbones.models.units import ResidualUnit
from se_backbones.ops import residual_tail
from se_backbones.ops.residual_tail import VARIABLE, code_for, cpu

SE = dict(op=dict(type='SqueezeExcite'))


def build(**context):
    return MODELS.build(dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=4, context=dict(SE, **context)))


def tails(net):
    return {module.tail for module in net.modules() if isinstance(module, ResidualUnit)}


def test_auto_is_the_default(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert tails(build()) == {'auto'}


@pytest.mark.parametrize('value', ['auto', 'plain', 'fused'])
def test_a_config_chooses_and_the_environment_goes_before_it(monkeypatch, value):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert tails(build(tail=value)) == {value}
    monkeypatch.setenv(VARIABLE, value)
    assert tails(build(tail='plain')) == {value}


def test_units_show_it(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert 'tail=fused' in repr(build(tail='fused').layer1[0])


def test_another_value_is_refused_when_a_network_is_built(monkeypatch):
    with pytest.raises(ValueError, match="context.tail must be one of 'auto', 'plain', 'fused', got 'fast'"):
        build(tail='fast')
    monkeypatch.setenv(VARIABLE, 'fast')
    with pytest.raises(ValueError, match="SE_BACKBONES_TAIL must be one of 'auto', 'plain', 'fused', got 'fast'"):
        build()


def test_a_setting_without_effect_is_refused():
    with pytest.raises(ValueError, match=r"context\.tail='plain' has no effect with placement='pre'"):
        build(tail='plain', placement='pre')
    with pytest.raises(ValueError, match=r"context\.tail='fused' has no effect in a ConvUnit"):
        MODELS.build(dict(type='se_backbones.VGG', depth=16, context=dict(SE, tail='fused')))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_full_precision_on_a_cpu_is_fused_unless_plain_is_asked(dtype):
    x = torch.zeros(1, 1, 2, 2, dtype=dtype)
    assert [code_for(asked, x) for asked in ('plain', 'fused', 'auto')] == [None, cpu, None]


def test_auto_fuses_maps_that_are_large_enough():
    x = torch.zeros(2, 256, 56, 56)
    assert code_for('auto', x) is cpu
    assert code_for('auto', x[:1, :64]) is None  # the last size before 2**18 values that a ResNet-50 has
    with torch.no_grad():
        assert code_for('auto', x) is None
        assert code_for('auto', torch.zeros(2, 256, 200, 304)) is cpu


@pytest.mark.gpu
def test_on_a_gpu_maps_of_all_sizes_are_fused_in_the_precisions_that_triton_has():
    from se_backbones.ops.residual_tail import triton
    for dtype, code in ((torch.float32, triton), (torch.float16, triton), (torch.bfloat16, triton),
                        (torch.float64, None)):
        x = torch.zeros(1, 1, 2, 2, dtype=dtype, device='cuda')
        assert [code_for(asked, x) for asked in ('plain', 'fused', 'auto')] == [None, code, code]


@pytest.mark.parametrize('x', [
    torch.zeros(0, 3, 2, 2), torch.zeros(1, 3, 2, 2, device='meta'), torch.zeros(1, 3, 2, 2, dtype=torch.int64),
    torch.nn.Parameter(torch.zeros(1, 1, 2, 2)), torch.zeros(1, 3, 2, 2, dtype=torch.bfloat16)],
    ids=['empty', 'meta', 'integers', 'subclass', 'half on a CPU'])
def test_what_no_code_is_for_runs_as_written(x, monkeypatch):
    monkeypatch.setattr(residual_tail, '_triton', lambda *_: pytest.fail('Triton is for CUDA alone'))
    assert code_for('fused', x) is None


@pytest.mark.parametrize('asked', ['auto', 'plain', 'fused'])
def test_the_choice_is_logged_once(asked, monkeypatch):
    monkeypatch.setenv(VARIABLE, asked)
    said = []
    monkeypatch.setattr(residual_tail, 'print_log', lambda message, **_: said.append(message))
    residual_tail._announce.cache_clear()
    for _ in range(2):
        build()
    assert len(said) == 1 and f"(SE_BACKBONES_TAIL or context.tail: '{asked}')" in said[0]

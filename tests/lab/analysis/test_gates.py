"""Gates are read while the network runs as it would unwatched."""

import copy

import pytest
import torch
from mmengine.registry import MODELS

from helpers import as_if_trained
from se_backbones.engine.gates import check_finite, observe_gates
from se_backbones.engine.saturation import Saturation
from se_backbones.engine.sites import Site, operators
from se_backbones.models import residual_tail

SE = dict(type='SqueezeExcite', ratio=2)
E2 = dict(type='GatherExcite', variant='theta', extent=2)


@pytest.mark.parametrize('placement', ['standard', 'pre', 'post', 'identity', '3x3'])
@pytest.mark.parametrize('op', [SE, E2], ids=['se', 'e2'])
def test_observing_changes_nothing_and_sees_what_gate_returns(subject, narrow, op, placement):
    it = subject(narrow(op, placement=placement))
    as_if_trained(it.model)
    batch = next(iter(it.batches))
    before, keys = it.run(batch)[-1], list(it.model.state_dict())
    inputs, seen = {}, {}
    sites = operators(it.model)
    with observe_gates(it.model, sites.values(), lambda site, gate: seen.update({site.name: gate})):
        hooks = [site.operator.gather.register_forward_pre_hook(
            lambda module, args, name=name: inputs.update({name: args[0]})) for name, site in sites.items()]
        after = it.run(batch)[-1]
    for hook in hooks:
        hook.remove()
    assert torch.allclose(after, before, atol=1e-6)
    assert list(seen) and set(seen) == set(sites)
    for name, site in sites.items():
        assert torch.equal(site.operator.gate(inputs[name]), seen[name])
    assert list(it.model.state_dict()) == keys
    assert torch.equal(it.run(batch)[-1], before)


@pytest.fixture
def fused(monkeypatch):
    """Return a list of the norms at the ends of units that were fused."""
    norms, normalise = [], residual_tail.normalise
    monkeypatch.setattr(residual_tail, 'normalise', lambda code, x, norm, squeeze: norms.append(norm) or normalise(
        code, x, norm, squeeze))
    return norms


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('tail', ['fused', 'plain'])
@pytest.mark.parametrize('op', [SE, E2], ids=['se', 'e2'])
def test_gates_are_seen_once_each_whichever_code_ends_the_units(narrow, monkeypatch, fused, op, tail,
                                                               training):
    """The fused tail computes gates without a call of the operator; one that is watched is not fused."""
    monkeypatch.setenv('SE_BACKBONES_TAIL', tail)
    backbone = as_if_trained(MODELS.build(narrow(op))).train(training)
    unwatched, seen = copy.deepcopy(backbone), []
    images = torch.randn(2, 3, 32, 32)
    outputs = unwatched(images)[-1]
    assert len(fused) == (0 if tail == 'plain' else 4)
    sites = operators(backbone)
    with observe_gates(backbone, sites.values(), lambda site, gate: seen.append((site.name, gate))):
        again = backbone(images)[-1]
    assert len(fused) == (0 if tail == 'plain' else 4)
    assert [name for name, _ in seen] == list(sites)
    assert torch.allclose(again, outputs, atol=1e-5)
    # Running statistics, of the gathers too, took one batch and no more.
    for (key, value), other in zip(backbone.state_dict().items(), unwatched.state_dict().values(), strict=True):
        assert torch.allclose(value, other, atol=1e-5), key


def test_only_the_units_that_are_watched_are_not_fused(narrow, monkeypatch, fused):
    monkeypatch.setenv('SE_BACKBONES_TAIL', 'fused')
    backbone = MODELS.build(narrow(SE))
    sites = operators(backbone)
    with observe_gates(backbone, [sites['SE_3_1']], lambda site, gate: None):
        backbone(torch.randn(2, 3, 32, 32))
    assert len(fused) == 3 and sites['SE_3_1'].block.module.closing_norm not in fused


def test_a_recomputed_unit_is_watched_too(narrow):
    """With gradient checkpointing the gates of the second pass are the first's, and so are the gradients."""
    backbone = as_if_trained(MODELS.build(narrow(E2, with_cp=True))).train()
    plain, seen = copy.deepcopy(backbone), {}
    images = torch.randn(2, 3, 32, 32)
    plain(images)[-1].square().mean().backward()
    sites = operators(backbone).values()
    with observe_gates(backbone, sites, lambda site, gate: seen.setdefault(site.name, []).append(gate)):
        backbone(images)[-1].square().mean().backward()
    assert [len(gates) for gates in seen.values()] == [2] * 4
    assert all(torch.equal(*gates) for gates in seen.values())
    for (name, parameter), other in zip(backbone.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(parameter.grad, other.grad, rtol=1e-3, atol=1e-6), name


def test_a_gate_can_be_replaced(subject, narrow):
    """All gates at one: the network without operators."""
    it, plain = subject(narrow(SE)), subject(narrow())
    as_if_trained(it.model)
    plain.model.load_state_dict({k: v for k, v in it.model.state_dict().items() if 'context' not in k})
    batch = next(iter(it.batches))
    with observe_gates(it.model, operators(it.model).values(), lambda site, gate: torch.ones_like(gate)):
        assert torch.allclose(it.run(batch)[-1], plain.run(batch)[-1], atol=1e-6)


def test_the_network_is_put_back_after_an_error(subject, narrow):
    it = subject(narrow(SE))
    modules = list(it.model.modules())

    def see(site, gate):
        raise RuntimeError('stop')
    with pytest.raises(RuntimeError, match='stop'), observe_gates(it.model, operators(it.model).values(), see):
        it.run(next(iter(it.batches)))
    assert list(it.model.modules()) == modules


def test_a_gate_that_is_not_finite_is_named():
    gate = torch.full((2, 4, 1, 1), 0.5)
    check_finite(Site('SE_2_1', 'layer1.0.context.standard', None, None, True), gate)
    gate[1, 2] = gate[0, 3] = torch.nan
    with pytest.raises(ValueError, match=r'SE_2_1 \(layer1.0.context.standard\) is not finite in 2 of 4 channels \(the '
                                         r'first is 2\)'):
        check_finite(Site('SE_2_1', 'layer1.0.context.standard', None, None, True), gate)


def test_saturation_counts_gates_beyond_the_thresholds():
    counts = Saturation()
    first, second = (Site(name, '', None, None, True) for name in ('SE_2_1', 'SE_2_2'))
    counts.see(first, torch.tensor([0.01, 0.04, 0.05, 0.5, 0.95, 0.96, 1.0, torch.nan]).reshape(2, 4, 1, 1))
    counts.see(first, torch.zeros(1, 2, 1, 1))
    counts.see(second, torch.full((1, 2, 3, 1), 0.99))
    assert counts.shares == {'SE_2_1': (4 / 10, 2 / 10), 'SE_2_2': (0, 1)}
    assert counts.overall == (4 / 16, 8 / 16)


def test_thresholds_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match='low must be below high, got low=0.9 and high=0.1'):
        Saturation(0.9, 0.1)

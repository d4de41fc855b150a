"""Operators leave a trained network, and nothing else changes."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from helpers import as_if_trained
from se_backbones.engine.sites import operators
from se_backbones.lab.analysis.subject import Subject
from se_backbones.lab.analysis.trimming import evaluate_trimmed, mean_gates, trim

SE = dict(type='SqueezeExcite', ratio=2)
GE = dict(type='GatherExcite')


def constant_gates(model, value=0.0):
    """Make every gate the same for all images, another one in each channel."""
    for site in operators(model).values():
        site.operator.zero_logits()
        nn.init.normal_(site.operator.logit_layer.bias, value, 2)


@pytest.fixture
def network():
    """Return a function that builds a bare backbone as a subject: config, model and images."""
    def make(kind, size=32, **settings):
        cfg = Config(dict(model=dict(type=f'se_backbones.{kind}', **settings)))
        model = as_if_trained(MODELS.build(cfg.model)).eval()
        batch = dict(inputs=torch.randn(2, 3, size, size), data_samples=[{}, {}])

        class Host(nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = model

            def data_preprocessor(self, batch, training):
                return batch
        # The sites are looked for in the backbone alone, as the config is.
        it = Subject(model, [batch], (), cfg)
        it.run = lambda batch, whole=False: Subject(Host(), [batch]).run(batch)
        return it
    return make


def outputs(cfg, state, inputs):
    model = MODELS.build(cfg.model)
    model.eval()  # which returns None in mmdet
    model.load_state_dict(state)
    with torch.no_grad():
        return model(inputs)[-1]


@pytest.mark.parametrize(('kind', 'settings', 'names'), [
    ('ResNet', dict(depth=(1, 2), base_channels=4, context=dict(op=SE)), ['SE_3']),
    ('ResNet', dict(depth=(1, 2), base_channels=4, context=dict(op=SE, placement='3x3')), ['SE_2_1', 'SE_3_2']),
    ('ResNet', dict(depth=(1, 2), base_channels=4, context=dict(
        op=SE, placement='identity', stages=(True, (True, False)))), ['SE_3_1']),
    ('PreActResNet', dict(depth=(1, 1, 1), base_channels=4, block='basic', context=dict(op=SE)), ['SE_4']),
    ('VGG', dict(depth=(1, 1, 2, 1, 1), base_channels=4, context=dict(op=SE)), ['SE_4']),
    ('BNInception', dict(depth=(2, 2, 2), widen_factor=1 / 16, context=dict(op=SE)), ['SE_3_1']),
    ('ShakeShake', dict(depth=(1, 1, 1), base_width=4, block='basic', context=dict(op=SE)), ['SE_2_1']),
    ('ShakeShake', dict(depth=(1, 1, 1), base_width=4, block='basic', context=dict(op=SE, placement='3x3')), ['SE_3']),
])
def test_folding_a_gate_that_is_the_same_for_all_images_changes_nothing(network, kind, settings, names):
    it = network(kind, **settings)
    constant_gates(it.model)
    inputs = it.batches[0]['inputs']
    with torch.no_grad():
        before = it.model(inputs)[-1]
    change = {}
    for fold in (True, False):
        trimmed = trim(it, names, fold)
        change[fold] = float((outputs(trimmed.cfg, trimmed.state, inputs) - before).abs().max() / before.abs().max())
    assert change[True] < 1e-5 < 1e-4 < change[False]


def test_without_folding_only_the_operators_tensors_go(subject, narrow):
    it = subject(narrow(SE))
    before = it.model.state_dict()
    trimmed = trim(it, ['SE_3_2'], fold=False)
    gone = set(before) - set(trimmed.state)
    assert gone and all(key.startswith('backbone.layer2.1.context.standard.') for key in gone)
    assert all(torch.equal(before[key], value) for key, value in trimmed.state.items())
    assert trimmed.parameters[0] - trimmed.parameters[1] == sum(before[key].numel() for key in gone)
    assert trimmed.removed == ['SE_3_2']


@pytest.mark.parametrize(('context', 'names', 'left'), [
    (dict(op=SE), ['SE_4'], dict(op=SE, stages=(True, True, False))),
    (dict(op=SE), ['SE_3_2'], dict(op=SE, stages=(True, (True, False), True))),
    (dict(op=SE, stages=(False, (True, False), True)), ['SE_3_1'], dict(op=SE, stages=(False, False, True))),
    (dict(op=SE), ['SE_2', 'SE_3', 'SE_4'], None),
    ([dict(op=SE, stages=(True, False, False)), dict(op=GE, stages=(False, True, False))], ['SE_2'],
     dict(op=GE, stages=(False, True, False))),
    ([dict(op=SE), dict(op=GE, placement='3x3')], ['GE'],
     dict(op=SE)),
])
def test_the_config_leaves_out_what_was_named(subject, narrow, context, names, left):
    net = narrow()
    net['context'] = context
    found = trim(subject(net), names, fold=False).cfg.model.backbone.context
    assert (found.to_dict() if found else found) == left


@pytest.mark.parametrize(('names', 'after'), [
    (['context.layer2_0'], ['layer1.0', 'layer2.1']), (['context.layer1', 'context.layer2'], None)])
def test_operators_in_a_strange_backbone_leave_its_config(network, names, after):
    """Without any it is the backbone alone, which computes the same while the gates are at their start, 1."""
    plain = dict(type='mmdet.ResNet', depth=18, base_channels=4)
    it = network('WithContext', backbone=plain, context=[
        dict(op=SE, after=['layer1.0']), dict(op=SE, after=r'layer2\.\d')], input_size=32)
    with pytest.raises(ValueError, match='stands in a backbone that is not ours; use fold=False'):
        trim(it, names)
    trimmed = trim(it, names, fold=False)
    if after is None:
        assert trimmed.cfg.model == plain
    else:
        assert [name for entry in trimmed.cfg.model.context for name in entry['after']] == after
    inputs = it.batches[0]['inputs']
    assert torch.equal(outputs(trimmed.cfg, trimmed.state, inputs), it.model(inputs)[-1])


def test_the_subject_stays_as_it_was(subject, narrow):
    it = subject(narrow(SE))
    before = {key: value.clone() for key, value in it.model.state_dict().items()}
    context = it.cfg.model.backbone.context.to_dict()
    trim(it, ['SE_2'])
    assert it.model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in it.model.state_dict().items())
    assert it.cfg.model.backbone.context.to_dict() == context


def test_the_trimmed_network_is_evaluated_on_the_same_images(subject, narrow):
    it = subject(narrow(SE))
    as_if_trained(it.model)
    constant_gates(it.model)
    trimmed = trim(it, ['SE_3', 'SE_4'])
    after, before = evaluate_trimmed(it, trimmed), it.evaluate()
    np.testing.assert_allclose(after['mean/score'], before['mean/score'], rtol=1e-4)
    assert after['mean/images'] == 10


def test_what_is_saved_loads_with_its_own_config(network):
    it = network('ResNet', depth=(1, 2), base_channels=4, context=dict(op=SE))
    saved = trim(it, ['SE_2']).checkpoint(dict(epoch=3, cfg='old'))
    assert saved['meta']['epoch'] == 3
    cfg = Config.fromstring(saved['meta']['cfg'], '.py')
    assert tuple(cfg.model.context.stages) == (False, True)
    outputs(cfg, saved['state_dict'], it.batches[0]['inputs'])


def test_mean_gates_are_of_all_channels(subject, narrow):
    it = subject(narrow(GE))
    found = mean_gates(it, operators(it.model))
    assert [len(values) for values in found.values()] == [4, 8, 8, 16]
    assert all((values > 0).all() and (values < 1).all() for values in found.values())


# --- what cannot be folded, and what a user can get wrong ---


@pytest.mark.parametrize(('placement', 'reason'), [
    ('pre', 'no layer with a weight per channel feeds it'), ('post', 'the sum with the shortcut'),
    ('identity', 'the shortcut of this block has no parameters')])
def test_where_no_layer_can_take_the_gate_the_way_out_is_named(subject, narrow, placement, reason):
    it = subject(narrow(SE, placement=placement))
    with pytest.raises(ValueError, match=f'SE_3_2 cannot be folded .*{reason}.*fold=False'):
        trim(it, ['SE_3_2'])
    assert trim(it, ['SE_3_2'], fold=False).removed == ['SE_3_2']


def test_a_module_whose_gate_is_read_by_the_next_one_is_refused(network):
    it = network('BNInception', depth=(2, 2, 2), widen_factor=1 / 16, context=dict(op=SE))
    with pytest.raises(ValueError, match='SE_4_1 cannot be folded .*no layer with a weight per channel feeds it'):
        trim(it, ['SE_4_1'])


def test_a_negative_mean_gate_is_refused(subject, narrow):
    it = subject(narrow(dict(type='SqueezeExcite', ratio=2, gate='tanh')))
    for site in operators(it.model).values():
        nn.init.zeros_(site.operator.logit_layer.weight)
        nn.init.constant_(site.operator.logit_layer.bias, -1)
    with pytest.raises(ValueError, match='SE_2_1 is negative in 4 channels'):
        trim(it, ['SE_2_1'])


def test_one_of_two_operators_of_a_slot_is_refused(network):
    it = network('ShakeShake', depth=(1, 1, 1), base_width=4, block='basic',
                 context=dict(op=SE, placement='3x3'))
    with pytest.raises(ValueError, match='name all operators of a slot together'):
        trim(it, ['SE_2_1_branch1.3x3'], fold=False)


def test_an_unknown_operator_and_a_network_without_any(subject, narrow):
    with pytest.raises(ValueError, match="no operator 'SE_6' .*Did you mean 'SE_"):
        trim(subject(narrow(SE)), ['SE_6'])
    with pytest.raises(ValueError, match='has no context operators'):
        trim(subject(narrow()), ['SE_5'])

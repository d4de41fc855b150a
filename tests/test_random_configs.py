"""Any config either builds a network that runs and back-propagates, or is one ValueError that names the wrong key."""

import copy
import re

import hypothesis
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import MODELS

from se_backbones import registry
from se_backbones.models.placement import PLACEMENTS
from se_backbones.utils.signatures import arguments

# Narrow networks by type, the size of their images, and the stages that `context` counts.
NETWORKS = {
    'ResNet': (dict(depth=(2, 1, 1, 1), base_channels=4), 64, (2, 1, 1, 1)),
    'ResNet basic': (dict(depth=(2, 1), base_channels=4, block='basic'), 32, (2, 1)),
    'ResNeXt': (dict(depth=(2, 1), base_channels=4, groups=2, base_width=2), 32, (2, 1)),
    'SENet': (dict(depth=(1, 2), base_channels=4, groups=2, base_width=2), 32, (1, 2)),
    'VGG': (dict(depth=(1, 2, 1), base_channels=4), 32, (1, 2, 1)),
    'BNInception': (dict(depth=(1, 1, 1), widen_factor=1 / 16), 64, (0, 1, 1, 1)),
    'InceptionResNetV2': (dict(depth=(1, 1, 1), widen_factor=1 / 16), 96, (0, 1, 1, 1)),
    'MobileNetV1': (dict(depth=(1, 1, 1, 1, 1), widen_factor=1 / 8), 64, (1, 1, 1, 1, 1)),
    'ShuffleNetV1': (dict(depth=(1, 1, 1), widen_factor=1 / 4, groups=2), 64, (1, 1, 1)),
    'PreActResNet': (dict(depth=(2, 1), base_channels=4, block='basic'), 16, (2, 1)),
    'WideResNet': (dict(depth=(1, 1), base_channels=4, widen_factor=2), 16, (1, 1)),
    'ShakeShake': (dict(depth=(1, 1), base_width=4, block='basic'), 16, (1, 1)),
}
# What people and programs write by mistake. No number above 8: a network of 10**9 channels would be built.
JUNK = st.sampled_from([None, True, False, 0, 1, -1, 2, 3, 8, 0.0, 0.5, 1.5, float('nan'), '', 'x', 'avg', 'global',
                        '8', (), (1,), (0, 1), (True,), ('x', 'y'), [1, 2], {}, dict(type='BN'),
                        dict(type='SqueezeExcite'), [dict(op=dict(type='GatherExcite'))], b'8', object()])
# Given to mmcv or mmengine as they are; what those say of wrong ones is theirs.
OF_THE_HOSTS = {'conv_cfg', 'norm_cfg', 'dcn', 'init_cfg', 'pretrained', 'plugins', 'map_size', '_scope_'}
BOOLS = st.booleans()


def operators():
    """Valid `op` dicts."""
    name = st.sampled_from(['SqueezeExcite', 'se_backbones.SqueezeExcite'])
    se = st.fixed_dictionaries(dict(type=name), optional=dict(
        ratio=st.integers(1, 20), squeeze=st.sampled_from(['avg', 'max', 'none']),
        gate=st.sampled_from(['sigmoid', 'tanh', 'relu']), bias=BOOLS))
    extent = st.sampled_from([2, 4, 8, 'global'])
    ge = st.fixed_dictionaries(dict(type=st.just('GatherExcite'), variant=st.sampled_from(['theta_minus', 'theta'])),
                               optional=dict(extent=extent))
    plus = st.fixed_dictionaries(dict(type=st.just('GatherExcite'), variant=st.just('theta_plus')), optional=dict(
        extent=extent, ratio=st.integers(1, 20), bias=BOOLS))
    return se | ge | plus


def contexts(blocks):
    """Valid entries of `context`, but for slots that an architecture does not have and entries that collide."""
    stage = [st.booleans() | st.tuples(*[BOOLS] * count) for count in blocks]
    entry = st.fixed_dictionaries(dict(op=operators()), optional=dict(
        placement=st.sampled_from(PLACEMENTS), stages=st.tuples(*stage) | st.none(), freeze_with_stage=BOOLS))
    return st.none() | entry | st.lists(entry, min_size=1, max_size=3)


def choices(kind, size, blocks):
    """Valid values of the arguments that several backbones share and of those that only one has."""
    shared = dict(
        out_indices=st.lists(st.integers(0, len(blocks) - 1), min_size=1, max_size=len(blocks)),
        frozen_stages=st.integers(-1, len(blocks)), norm_eval=BOOLS, with_cp=BOOLS, in_channels=st.just(3),
        norm_cfg=st.sampled_from([dict(type='BN'), dict(type='BN', requires_grad=False), dict(type='SyncBN'),
                                  dict(type='GN', num_groups=1)]))
    own = dict(
        style=st.sampled_from(['pytorch', 'caffe', 'aa']),
        stem_pool=st.sampled_from(['torch', 'caffe', 'avg']), deep_stem=BOOLS,
        avg_down=BOOLS, zero_init_residual=BOOLS, drop_path_rate=st.floats(0, 0.9), dropout=st.floats(0, 0.9),
        strides=st.tuples(*[st.integers(1, 2)] * len(blocks)), dilations=st.tuples(*[st.integers(1, 2)] * len(blocks)),
        ceil_mode=BOOLS, with_last_pool=BOOLS, num_classes=st.sampled_from([-1, 3]), fc_channels=st.just(8),
        bottleneck=st.sampled_from(['output', 'branch']), context_on=st.sampled_from(['branch', 'output']),
        forward_shake=st.sampled_from(['shake', 'even']), backward_shake=st.sampled_from(['shake', 'even']),
        shake_level=st.sampled_from(['image', 'batch']), context_per_branch=BOOLS,
        num_stages=st.integers(1, len(blocks)), stem_channels=st.sampled_from([4, 8]))
    names = arguments(registry.MODELS.get(kind.split()[0]))
    return {name: strategy for name, strategy in {**shared, **own}.items() if name in names}


@st.composite
def configs(draw):
    """Return a backbone's config, the size of its images, the key that was made wrong on purpose, and the config before
    that; the last two are None where nothing was."""
    kind = draw(st.sampled_from(sorted(NETWORKS)))
    narrow, size, blocks = NETWORKS[kind]
    options = choices(kind, size, blocks)
    chosen = draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=4))
    cfg = dict(narrow, type=f'se_backbones.{kind.split()[0]}', input_size=size, context=draw(contexts(blocks)),
               **{name: draw(options[name]) for name in chosen})
    wrong = right = None
    if draw(BOOLS):
        right = copy.deepcopy(cfg)
        # One place of the config: its own dict, an entry of `context`, or an `op`.
        entries = [cfg['context']] if isinstance(cfg['context'], dict) else cfg['context'] or []
        where = draw(st.sampled_from([cfg, *entries, *(entry['op'] for entry in entries)]))
        if where is cfg:
            names = sorted(arguments(registry.MODELS.get(kind.split()[0])))
        else:
            names = sorted(where)
        wrong = draw(st.sampled_from([name for name in names if name not in OF_THE_HOSTS]))
        if draw(BOOLS):
            where[wrong] = draw(JUNK)
        else:
            # A letter less: the value is under a key that does not exist.
            value = where.pop(wrong, 1)
            wrong = wrong[:-1]
            where[wrong] = value
    return cfg, size, wrong, right


def run(cfg, size):
    """Build the network and return it with the maps of two images, in training."""
    torch.manual_seed(0)
    net = MODELS.build(copy.deepcopy(cfg))
    return net, net.train()(torch.randn(2, cfg.get('in_channels', 3), size, size))


def check(cfg, size, wrong, right):
    """Build, run and back-propagate, or see that the error is the documented one; return whether it was built."""
    try:
        net, maps = run(cfg, size)
    except ValueError as error:
        if wrong and not names(error, [wrong]):
            # Then what was drawn had a mistake of its own.
            with pytest.raises(ValueError) as own:
                run(right, size)
            assert names(own.value, all_keys(right)), f'{own.value!r} names no key of {right}'
        else:
            assert names(error, all_keys(cfg)), f'{error!r} names no key of {cfg}'
        return False
    assert all(isinstance(m, torch.Tensor) and m.isfinite().all() for m in maps)
    loss = sum((m * torch.randn_like(m)).sum() for m in maps)
    if loss.requires_grad:
        loss.backward()
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients or not loss.requires_grad
    return True


def names(error, keys):
    return any(re.search(rf'(?<![a-z_]){re.escape(key)}(?![a-z_])', str(error)) for key in keys if key)


def all_keys(node):
    if isinstance(node, dict):
        return set(node).union(*map(all_keys, node.values()))
    return set().union(*map(all_keys, node)) if isinstance(node, (list, tuple)) else set()


def tried(count, seed):
    """Return how many of ``count`` random configs were built and how many were refused; raise at the first defect."""
    outcomes = []

    @hypothesis.seed(seed)
    @settings(max_examples=count)
    @given(configs())
    def one(drawn):
        outcomes.append(check(*drawn))
    one()
    return outcomes.count(True), outcomes.count(False)


def test_a_random_config_runs_or_is_refused_by_a_sentence_with_its_key():
    built, refused = tried(25, seed=0)
    assert built and refused


@pytest.mark.slow
def test_two_thousand_random_configs(record_property):
    built, refused = tried(2500, seed=1)
    record_property('reliability', dict(what='random backbone and `context` settings, half of them with a mistake',
                                        tried=built + refused, lost=0, note=f'{built} ran, {refused} were refused by '
                                        'an error with the key, none did anything else'))
    assert built + refused >= 2000 and min(built, refused) >= 500


@pytest.mark.parametrize('kind', sorted({kind.split()[0] for kind in NETWORKS}))
def test_every_misspelt_argument_is_answered_with_the_near_one(kind):
    names = arguments(registry.MODELS.get(kind))
    assert {'context', 'out_indices', 'input_size'} <= {*names}
    for name in names:
        with pytest.raises(ValueError) as error:
            MODELS.build({'type': f'se_backbones.{kind}', f'{name[:-1]}': 1})
        assert f"has no option '{name[:-1]}'" in str(error.value), error.value
        assert f"Did you mean '{name}'?" in str(error.value), error.value


@pytest.mark.parametrize(('context', 'hint'), [
    (dict(op=dict(type='SqueezeExite')), 'SqueezeExcite'), (dict(op=dict(type='SqueezeExcite', ration=4)), 'ratio'),
    (dict(op=dict(type='GatherExcite', varient='theta')), 'variant'),
    (dict(op=dict(type='GatherExcite', variant='thta')), 'theta'),
    (dict(op=dict(type='GatherExcite'), placment='pre'), 'placement'),
    (dict(op=dict(type='GatherExcite'), placement='standart'), 'standard'),
    (dict(op=dict(type='GatherExcite'), stage=(True,)), 'stages'),
    (dict(op=dict(type='GatherExcite'), freeze_with_stages=True), 'freeze_with_stage'),
], ids=str)
def test_a_misspelt_word_in_context_is_answered_with_the_near_one(context, hint):
    with pytest.raises(ValueError, match=f"Did you mean '{hint}'"):
        MODELS.build(dict(type='se_backbones.ResNet', depth=18, context=context))


@pytest.mark.parametrize(('name', 'value', 'text'), [
    ('norm_eval', 1, 'norm_eval must be one of True, False, got 1.'),
    ('base_channels', 0, 'base_channels must be an int of at least 1, got 0.'),
    ('strides', (1, 0), r'strides\[...\] must be an int of at least 1, got 0.'),
    ('out_indices', (True,), r'out_indices\[...\] must be an int, got True.'),
    ('frozen_stages', None, 'frozen_stages must be an int, got None.'),
    ('norm_cfg', 'BN', "norm_cfg must be a dict with a type, got 'BN'."),
    ('drop_path_rate', 1, 'drop_path_rate must be at least 0 and below 1, got 1.'),
], ids=str)
def test_an_argument_of_the_wrong_kind_is_named_with_its_value(name, value, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), **{name: value}))


def test_arguments_reach_through_the_classes_that_pass_them_on():
    resnext, wide = (arguments(registry.MODELS.get(name)) for name in ('ResNeXt', 'WideResNet'))
    assert resnext['groups'].default == 32 and resnext['stem_pool'].default == 'torch'
    assert {'widen_factor', 'drop_path_rate', 'out_indices'} <= set(wide) and 'kwargs' not in wide

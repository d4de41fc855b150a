"""The checks of a config's `context`, and where the operators end up."""

import pytest
import torch
from mmengine.registry import MODELS

from helpers import Marked
from se_backbones.models.placement import PLACEMENTS, ContextPlan

SE = dict(type='SqueezeExcite', ratio=4)
BLOCKS = (2, 3)


def names(plan):
    return {place: {slot: entry.op['type'] for slot, entry in plan.slots_of(*place).items()}
            for place in [(s, b) for s, count in enumerate(BLOCKS) for b in range(count)] if plan.slots_of(*place)}


def test_none_is_the_plain_network():
    assert names(ContextPlan(None, BLOCKS)) == {}


def test_default_is_standard_in_every_block():
    plan = names(ContextPlan(dict(op=SE), BLOCKS))
    assert plan == {(s, b): {'standard': 'SqueezeExcite'} for s, count in enumerate(BLOCKS) for b in range(count)}


def test_stages_take_a_bool_or_one_bool_per_block():
    plan = ContextPlan(dict(op=SE, stages=(True, (False, True, False))), BLOCKS)
    assert set(names(plan)) == {(0, 0), (0, 1), (1, 1)}


def test_a_list_gives_different_operators_to_different_stages_and_slots():
    ge = dict(type='se_backbones.GatherExcite', extent=8)
    plan = ContextPlan([dict(op=SE, stages=(True, False)), dict(op=ge, stages=(False, True)),
                        dict(op=ge, placement='pre', stages=(True, False))], BLOCKS)
    assert names(plan)[0, 0] == {'standard': 'SqueezeExcite', 'pre': 'se_backbones.GatherExcite'}
    assert names(plan)[1, 2] == {'standard': 'se_backbones.GatherExcite'}


@pytest.mark.parametrize('groups', [2, 6, 24, 32, 64])
def test_a_gathers_group_norm_takes_the_groups_that_its_channels_have(groups):
    op = dict(type='GatherExcite', variant='theta', extent=8, norm_cfg=dict(type='GN', num_groups=groups))
    assert len(names(ContextPlan(dict(op=op), BLOCKS))) == sum(BLOCKS)


@pytest.mark.parametrize(('context', 'message'), [
    ('se', r"context must be None, a dict or a list of dicts, got 'se'"),
    ([], r'context must be None, a dict or a list'),
    (dict(type='SqueezeExcite'), r'context must be a dict with op=dict'),
    (dict(op='SqueezeExcite'), r'context.op must be a dict with a type'),
    (dict(op=dict(type='SqueezeExite')), r"context.op.type must be one of .*Did you mean 'SqueezeExcite'"),
    (dict(op=dict(type='ResNet')), r"context.op.type must be one of 'GatherExcite', 'SqueezeExcite', got 'ResNet'"),
    (dict(op=dict(type='SqueezeExcite', ratoi=4)), r"has no option 'ratoi'; it takes .*Did you mean 'ratio'"),
    (dict(op=dict(type='SqueezeExcite', ratio=0)), r'ratio must be an int of at least 1, got 0'),
    (dict(op=dict(type='GatherExcite', extent=16)), r"extent must be one of 2, 4, 8, 'global', got 16"),
    (dict(op=SE, placement='after_conv3'), r"context.placement must be one of 'standard', 'pre', .*'after_conv3'"),
    (dict(op=SE, placment='pre'), r"context has no option 'placment'.*Did you mean 'placement'"),
    (dict(op=SE, stages=(True,)), r'context.stages must have one entry for each of the 2 stages'),
    (dict(op=SE, stages=(True, 1)), r'context.stages\[1\] must be a bool, or one bool for each of the 3 blocks'),
    (dict(op=SE, stages=(True, (True, False))), r'context.stages\[1\] must be a bool, or one bool for each of the 3'),
    (dict(op=SE, stages=(False, False)), r'selects no block; use context=None'),
    (dict(op=SE, freeze_with_stage='yes'), r"freeze_with_stage must be one of True, False, got 'yes'"),
    ([dict(op=SE), dict(op=SE, stages=(False, True))],
     r"context\[1\] and context\[0\] both claim the 'standard' slot of block 0 of stage 1"),
])
def test_wrong_context_is_one_clear_error(context, message):
    with pytest.raises(ValueError, match=message):
        ContextPlan(context, BLOCKS)


def test_a_network_without_a_slot_refuses_it():
    with pytest.raises(ValueError, match=r"placement must be one of 'standard', got 'pre'"):
        ContextPlan(dict(op=SE, placement='pre'), BLOCKS, placements=('standard',))


def unit(block):
    backbone = MODELS.build(dict(type='se_backbones.ResNet', depth=(2,), block=block, base_channels=8, num_stages=1))
    return backbone.layer1[0].eval()


def expected(unit, x, placement, bottleneck):
    """The unit of the SE paper's Figure 5, written out."""
    relu = torch.relu

    def mark(where, t):
        return t + 1000.0 if where == placement else t
    branch = mark('pre', x)
    branch = relu(unit.bn1(unit.conv1(branch)))
    if bottleneck:
        branch = mark('3x3', relu(unit.bn2(unit.conv2(branch))))
        branch = unit.bn3(unit.conv3(branch))
    else:
        branch = unit.bn2(unit.conv2(mark('3x3', branch)))
    shortcut = mark('identity', unit.downsample(x))
    return mark('post', relu(mark('standard', branch) + shortcut))


@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('placement', PLACEMENTS)
def test_each_placement_is_where_figure_5_draws_it(placement, block):
    residual = unit(block)
    residual.context[placement] = Marked()
    x = torch.randn(1, 8, 6, 5)
    torch.testing.assert_close(residual(x), expected(residual, x, placement, block == 'bottleneck'))


def test_pre_slot_of_a_stage_boundary_has_the_previous_stages_width():
    backbone = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=8,
                                 context=dict(op=SE, placement='pre')))
    assert backbone.layer1[0].context['pre'].in_channels == 8
    assert backbone.layer2[0].context['pre'].in_channels == 32

"""ShuffleNet v1 against mmpretrain's with its weights, the papers' parameter counts, the contract with the hosts."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from helpers import Marked, as_if_trained, assert_identical, init_from
from se_backbones.models.backbones.shufflenet_v1 import ShuffleNetV1, channel_shuffle
from se_backbones.models.placement import PLACEMENTS

SE = dict(type='SqueezeExcite')
THETA = dict(type='GatherExcite', variant='theta')
THETA_PLUS = dict(type='GatherExcite', variant='theta_plus')
IMAGES = (2, 3, 65, 49)


def build(**kwargs):
    kwargs = dict(dict(depth=(1, 2, 1), widen_factor=0.5, input_size=IMAGES[2:]), **kwargs)
    return ShuffleNetV1(**kwargs)


def randomise(net):
    """As if trained, with weights such that no map dies or explodes."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=(2 / module.weight[0].numel())**0.5)
    return as_if_trained(net)


def millions(op=None, **kwargs):
    with torch.device('meta'):
        net = ShuffleNetV1(context=op and dict(op=op), **kwargs)
    return round((sum(p.numel() for p in net.parameters()) + 961 * 1000) / 1e6, 3)


@pytest.mark.parametrize(('bottleneck', 'op', 'count'), [
    # reference/architectures.md, sections 1.7 and 1.11; excitations without bias.
    ('branch', None, 1.815), ('branch', dict(SE, bias=False), 2.425),
    ('output', None, 1.866), ('output', dict(SE, bias=False), 2.476),
])
def test_parameter_count_of_se_in_both_papers(bottleneck, op, count):
    assert millions(op, bottleneck=bottleneck) == count


@pytest.mark.parametrize(('op', 'on_branch', 'on_output'), [
    (dict(THETA, extent=2), 1.953, 1.961), (dict(THETA, extent=4), 2.039, 2.056), (dict(THETA, extent=8), 2.126, 2.151),
    (THETA, 3.486, 3.576), (dict(THETA_PLUS, bias=False), 4.096, 4.296), (THETA_PLUS, 4.104, 4.306),
    (dict(SE, bias=False), 2.476, 2.586),
], ids=str)
def test_parameter_count_of_ge_table_4_on_branch_and_output(op, on_branch, on_output):
    assert (millions(op, context_on='branch'), millions(op, context_on='output')) == (on_branch, on_output)


def test_operators_have_the_channels_that_reference_1_7_says():
    with torch.device('meta'):
        branch, output = (ShuffleNetV1(context=dict(op=SE), context_on=on) for on in ('branch', 'output'))
    assert [[unit.context['standard'].in_channels for unit in layer][:2] for layer in branch.layers] == [
        [216, 240], [240, 480], [480, 960]]
    assert branch.layers[0][0].context['standard'].excite.down.out_channels == 13
    assert [layer[0].context['output'].in_channels for layer in output.layers] == [240, 480, 960]
    assert [set(unit.context) for unit in output.layers[1]] == [{'output'}, *[{'standard'}] * 7]


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize(('groups', 'widen_factor'), [(1, 0.25), (2, 0.25), (3, 1.0), (4, 1.0), (8, 1.0)])
def test_network_equals_mmpretrain(groups, widen_factor, training):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        oracle = MODELS.build(dict(type='mmpretrain.ShuffleNetV1', groups=groups, widen_factor=widen_factor,
                                   out_indices=(0, 1, 2)))
    randomise(oracle).train(training)  # its train() returns None
    ours = ShuffleNetV1(groups=groups, widen_factor=widen_factor, out_indices=(0, 1, 2)).train(training)
    ours.load_state_dict(oracle.state_dict())
    x = torch.randn(IMAGES)
    for a, b, feature in zip(ours(x), oracle(x), ours.feature_info, strict=True):
        torch.testing.assert_close(a, b)
        assert a.shape[1] == feature.channels and a.shape[2] == -(-65 // feature.stride)
    for (name, a), (_, b) in zip(ours.named_buffers(), oracle.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


@pytest.mark.parametrize(('groups', 'widths'), [(1, (30, 36, 72)), (2, (44, 50, 100)), (3, (54, 60, 120))])
def test_branch_bottleneck_is_a_quarter_of_what_the_branch_adds(groups, widths):
    with torch.device('meta'):
        net = ShuffleNetV1(groups=groups, bottleneck='branch')
    assert tuple(layer[0].depthwise_conv3x3_bn.conv.in_channels for layer in net.layers) == widths


def test_shuffle_deals_the_groups_out_in_turn():
    x = torch.arange(6.).view(1, 6, 1, 1).expand(2, 6, 3, 4)
    assert channel_shuffle(x, 3)[1, :, 2, 1].tolist() == [0, 2, 4, 1, 3, 5]
    assert torch.equal(channel_shuffle(x, 1), x)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('placement', [*PLACEMENTS, 'output'])
def test_each_placement_is_where_it_says(placement, stride):
    """The paper's Figure 2 (b) and (c), written out."""
    unit = randomise(build().double()).layers[1][2 - stride].eval()
    if placement == 'output':
        unit = randomise(build(context=dict(op=SE), context_on='output').double()).layers[1][2 - stride].eval()
        unit.context['output' if stride == 2 else 'standard'] = Marked()
    else:
        unit.context[placement] = Marked()
    x = torch.randn(1, unit.g_conv_1x1_compress.conv.in_channels, 7, 5, dtype=torch.float64)

    def mark(where, t):
        return t + 1000.0 if where == placement else t
    t = F.relu(unit.g_conv_1x1_compress.bn(unit.g_conv_1x1_compress.conv(mark('pre', x))))
    t = mark('3x3', unit.depthwise_conv3x3_bn.bn(unit.depthwise_conv3x3_bn.conv(t)))
    t = t.view(1, 3, -1, *t.shape[2:]).transpose(1, 2).reshape(t.shape)
    t = mark('standard', unit.g_conv_1x1_expand.bn(unit.g_conv_1x1_expand.conv(t)))
    if stride == 2:
        pooled = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)
        out = mark('output', torch.cat((mark('identity', pooled), t), 1))
    else:
        out = mark('output', t) + mark('identity', x)
    torch.testing.assert_close(unit(x), mark('post', F.relu(out)))


@pytest.mark.parametrize(('kwargs', 'reason'), [
    (dict(context=dict(op=SE, placement='post')), 'the gate acts on the joined branch and shortcut'),
    (dict(context=dict(op=SE, placement='identity')), 'the shortcut of this block has no parameters'),
    (dict(context=dict(op=SE), context_on='output'),
     r"the gate acts on the pooled input too.*context_on='branch'.*leave it out"),
], ids=str)
def test_impossible_insertion_is_refused_with_the_reason(tmp_path, kwargs, reason):
    with pytest.raises(ValueError, match=reason):
        build(init_cfg=init_from(build(), tmp_path), **kwargs).init_weights()


def test_insertion_is_exact_with_the_papers_bottlenecks(tmp_path):
    net = randomise(build(bottleneck='branch'))
    context = [dict(op=THETA), dict(op=SE, placement='3x3'), dict(op=SE, placement='pre')]
    ours = build(bottleneck='branch', context=context, init_cfg=init_from(net, tmp_path))
    ours.init_weights()
    assert_identical(net, ours, torch.randn(IMAGES))


def test_operators_on_the_output_learn_and_the_same_from_recomputed_units():
    # A single hidden unit may be dead; a dozen are not.
    wide = dict(op=dict(type='SqueezeExcite', ratio=1), placement='pre')
    kwargs = dict(context=[dict(op=THETA), wide], context_on='output')
    plain, saving = build(**kwargs).double(), build(with_cp=True, **kwargs).double()
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(IMAGES).double()
    for net in (plain, saving):
        net.train()(x)[0].square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert a.grad.any(), name
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_drop_path_drops_added_branches_in_training_only():
    net = build(depth=(1, 1, 2), drop_path_rate=0.999)
    unit, x = net.layers[2][1], torch.rand(32, 480, 2, 2)
    assert (unit(x) == x).flatten(1).all(1).float().mean() > 0.9
    assert not (unit.eval()(x) == x).flatten(1).all(1).any()
    assert all(isinstance(layer[0].drop_path, nn.Identity) for layer in net.layers)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(groups=5), r'groups must be one of 1, 2, 3, 4, 8, got 5'),
    (dict(groups=4, widen_factor=1.0, bottleneck='branch'),
     r"groups=4 must divide the 24 channels into, the 62 inside and the 248 out of .*bottleneck='branch'"),
    (dict(groups=3, widen_factor=0.25), r'groups=3 must divide .* 58 out of'),
    (dict(bottleneck='quarter'), r"bottleneck must be one of 'branch', 'output', got 'quarter'"),
    (dict(context_on='both'), r"context_on must be one of 'branch', 'output', got 'both'"),
    (dict(context_on='output'), r"context_on='output' has no effect without a context of placement='standard'"),
    (dict(context_on='output', context=dict(op=SE, stages=(False, (False, True), False))),
     r"context_on='output' has no effect .* in the first unit of a stage"),
    (dict(depth=(4, 8)), r'depth must be a tuple with the units of each of the 3 stages, such as \(4, 8, 4\)'),
    (dict(depth=50), r'depth must be a tuple .*got 50'),
    (dict(widen_factor=0), r'widen_factor must be a number above 0, got 0'),
    (dict(drop_path_rate=1.5), r'drop_path_rate must be at least 0 and below 1, got 1.5'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)

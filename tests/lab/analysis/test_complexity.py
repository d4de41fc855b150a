"""Costs against hand-counted formulas, other libraries' figures and the papers' equation; the verdicts' reasons."""

import ast
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from math import ceil, floor

import pytest
import torch
import torchvision
from mmengine.analysis import FlopAnalyzer, parameter_count
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from se_backbones.lab.analysis import paper_tables
from se_backbones.lab.analysis.complexity import CONVENTIONS, Cost, Verdict, build, compare_with_papers, complexity
from se_backbones.lab.analysis.complexity.compare import with_classifier
from se_backbones.models.operators import GatherExcite, SqueezeExcite

C, H, W = 32, 12, 10
HIDDEN = C // 16
MAP = C * H * W
SE = dict(op=dict(type='SqueezeExcite'))


def cost_of(operator):
    """Costs of one operator on a map ``(1, C, H, W)``, through a module with three input channels."""
    net = nn.Sequential(nn.Conv2d(3, C, 1, bias=False), operator)
    return complexity(net, (H, W)).by_operator[type(operator).__name__]


@pytest.mark.parametrize('backbone', [
    dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 32, 64])),
    dict(type='mmpretrain.ResNet', depth=18, drop_path_rate=0.1, in_channels=1),
    dict(type='mmpretrain.LeViT', arch='128s', out_indices=(2,))], ids=lambda cfg: cfg['type'])
def test_backbones_of_others_are_counted_as_their_outputs_are_computed(backbone):
    """Constructors that need numbers, networks of grey images, and such as compute with their weights in eval mode."""
    import mmpretrain.models  # noqa: F401
    net = MODELS.build(dict(backbone))
    net.eval()  # mmpretrain's returns None
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.rand(1, backbone.get('in_channels', 3), 224, 224))
    assert 2 * complexity(dict(backbone)).total.multiply_adds == counter.get_total_flops()


@pytest.mark.parametrize('squeeze', ['avg', 'max', 'none'])
@pytest.mark.parametrize('bias', [True, False])
def test_squeeze_excite_costs_what_counting_by_hand_gives(squeeze, bias):
    cost = cost_of(SqueezeExcite(C, squeeze=squeeze, bias=bias))
    positions = H * W if squeeze == 'none' else 1
    assert cost.parameters == 2 * C * HIDDEN + (HIDDEN + C) * bias
    assert cost.statistics == 0
    assert cost.multiply_adds == 2 * C * HIDDEN * positions
    # each element is read once by the pool; ReLU and sigmoid on each value; the gate times each element
    work = dict(pool=0 if squeeze == 'none' else MAP, pointwise=(HIDDEN + C) * positions, scale=MAP, norm=0)
    assert {kind: cost.elementwise[kind] for kind in work} == work
    assert set(cost.elementwise) <= set(work)


@pytest.mark.parametrize('extent', [2, 4, 8, 'global'])
@pytest.mark.parametrize('variant', ['theta_minus', 'theta', 'theta_plus'])
def test_gather_excite_costs_what_counting_by_hand_gives(variant, extent):
    learned, excites, spans_map = variant != 'theta_minus', variant == 'theta_plus', extent == 'global'
    settings = dict(map_size=(H, W)) if learned and spans_map else {}
    cost = cost_of(GatherExcite(C, variant=variant, extent=extent, **settings))
    parameters = statistics = macs = pool = norm = pointwise = 0
    if not learned:
        rows, columns = (1, 1) if spans_map else (ceil(H / extent), ceil(W / extent))
        # globally one pass over the map; else windows of 2e - 1 rows, then of 2e - 1 columns
        pool = MAP if spans_map else C * rows * (W + columns) * (2 * extent - 1)
    else:
        rows, columns, kernels = (1, 1, [MAP // C]) if spans_map else (H, W, [9] * {2: 1, 4: 2, 8: 3}[extent])
        for number, kernel in enumerate(kernels, 1):
            if not spans_map:
                rows, columns = ceil(rows / 2), ceil(columns / 2)
            parameters += C * (kernel + 2)
            statistics += 2 * C
            macs += C * rows * columns * kernel
            norm += C * rows * columns
            if number < len(kernels) or excites:
                pointwise += C * rows * columns
    cells = rows * columns
    if excites:
        parameters += 2 * C * HIDDEN + C + HIDDEN
        macs += 2 * C * HIDDEN * cells
        pointwise += HIDDEN * cells
    work = dict(pool=pool, norm=norm, pointwise=pointwise + C * cells, scale=MAP)
    assert (cost.parameters, cost.statistics, cost.multiply_adds) == (parameters, statistics, macs)
    assert {kind: cost.elementwise[kind] for kind in work} == work
    assert set(cost.elementwise) <= set(work)


CAFFE = dict(style='caffe', stem_pool='caffe')


@pytest.mark.parametrize(('network', 'size', 'billions'), [
    # reference: the giga-MACs of timm's benchmark table; fvcore, which counts them, adds 2 for each element of a norm
    (dict(type='ResNet', depth=50, context=SE, **CAFFE), 224, 3.88),
    (dict(type='ResNet', depth=101, context=SE, **CAFFE), 224, 7.61),
    (dict(type='ResNet', depth=152, context=SE, **CAFFE), 224, 11.33),
    (dict(type='ResNeXt', depth=50, context=SE, stem_pool='caffe'), 224, 4.26),
    (dict(type='ResNeXt', depth=101, context=SE, stem_pool='caffe'), 224, 8.02),
    (dict(type='SENet', depth=154), 224, 20.77),
    (dict(type='VGG', depth=16, num_classes=1000), 224, 15.50),
    (dict(type='InceptionResNetV2'), 299, 13.18),
], ids=str)
def test_multiply_adds_are_those_of_timm(network, size, billions):
    network = dict(network, type=f'se_backbones.{network["type"]}')
    total = counted(network, size).total
    assert round((total.multiply_adds + 2 * total.elementwise['norm']) / 1e9, 2) == billions


@pytest.mark.parametrize('name', ['resnet50', 'resnext50_32x4d', 'vgg16_bn', 'mobilenet_v2', 'shufflenet_v2_x1_0'])
def test_networks_of_others_have_the_figures_that_torchvision_publishes(name):
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    with torch.device('meta'):
        result = complexity(torchvision.models.get_model(name))
    assert result.total.parameters == weights['num_params']
    assert round(result.total.multiply_adds / 1e9, 3) == weights['_ops']
    assert not result.left_out


@pytest.mark.parametrize('context', [None, SE, dict(op=dict(type='GatherExcite', variant='theta_plus', extent=4))])
def test_convolutions_and_parameters_are_those_that_mmengine_counts(context):
    net = build(dict(type='se_backbones.ShuffleNetV1', context=context)).to_empty(device='cpu').eval()
    ours = complexity(net, (64, 48))
    theirs = FlopAnalyzer(net, torch.zeros(1, 3, 64, 48))
    theirs.unsupported_ops_warnings(False)
    # The 1x1 convolutions of a gate's single cell run as linear layers.
    assert ours.total.multiply_adds == theirs.by_operator()['conv'] + theirs.by_operator()['linear']
    assert 2 * ours.total.elementwise['norm'] == theirs.by_operator()['batch_norm']
    assert ours.total.parameters == parameter_count(net)[''] == sum(p.numel() for p in net.parameters())
    assert ours.total.statistics == sum(b.numel() for name, b in net.named_buffers() if 'running' in name)


@pytest.mark.parametrize('ratio', [2, 4, 8, 16, 32])
def test_se_on_resnet50_adds_what_equation_5_says(ratio):
    """SE paper, eq. 5: 2 / r times the sum over stages of N_s C_s^2, for N_s blocks of C_s output channels."""
    op = dict(type='SqueezeExcite', ratio=ratio, bias=False)
    plain, ours = (complexity(dict(type='se_backbones.ResNet', depth=50, context=context)).total
                   for context in (None, dict(op=op)))
    added = 2 * sum(blocks * channels**2 for blocks, channels in ((3, 256), (4, 512), (6, 1024), (3, 2048))) // ratio
    assert ours.parameters - plain.parameters == added
    # Global gates: each weight is used once for an image.
    assert ours.multiply_adds - plain.multiply_adds == added


def test_stages_and_operators_share_out_the_whole():
    context = [dict(op=dict(type='SqueezeExcite'), stages=(False, True, True, True)),
               dict(op=dict(type='GatherExcite'), placement='identity', stages=(False, False, False, True))]
    result = complexity(dict(type='se_backbones.ResNet', depth=18, context=context), 64)
    assert list(result.by_place) == ['stem', *(f'stages[{stage}]' for stage in range(4))]
    assert set(result.by_operator) == {'plain', 'SqueezeExcite', 'GatherExcite'}
    for groups in (result.by_place, result.by_operator):
        assert sum(groups.values(), Cost()) == result.total
    assert {place for place, operator in result.parts if operator == 'SqueezeExcite'} == {
        'stages[1]', 'stages[2]', 'stages[3]'}
    # theta-minus has no layer: a pool, a sigmoid and the product, on the two blocks' 512 maps of 2 x 2
    gate = result.parts['stages[3]', 'GatherExcite']
    assert (gate.parameters, gate.multiply_adds) == (0, 0)
    assert gate.elementwise == dict(pool=2 * 2048, pointwise=2 * 512, scale=2 * 2048)
    stem = result.parts['stem', 'plain']
    assert stem.multiply_adds == 3 * 64 * 7 * 7 * 32 * 32
    assert stem.elementwise == dict(norm=64 * 32 * 32, pointwise=64 * 32 * 32, pool=64 * 16 * 16 * 9)


def test_stages_after_the_last_output_cost_parameters_only():
    whole, cut = (complexity(dict(type='se_backbones.ResNet', depth=18, out_indices=(last,)), 64) for last in (3, 1))
    unused = cut.by_place['after the last output']
    assert unused.multiply_adds == 0
    assert unused.parameters == sum(whole.by_place[f'stages[{stage}]'].parameters for stage in (2, 3))
    assert cut.by_place['stages[1]'] == whole.by_place['stages[1]']


def test_a_network_is_left_as_it_was():
    net = build(dict(type='se_backbones.ResNet', depth=18, base_channels=8, context=SE)).to_empty(device='cpu').train()
    net.layer1.eval()
    state = {name: tensor.clone().nan_to_num() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    complexity(net, 32)
    assert modes == [module.training for module in net.modules()]
    assert all(torch.equal(tensor.nan_to_num(), state[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_frozen_parameters_are_counted_and_told():
    total = complexity(dict(type='se_backbones.ResNet', depth=18, frozen_stages=4), 64).total
    assert total.frozen == total.parameters == 11_689_512 - 513_000  # torchvision's ResNet-18 without its classifier


def test_what_no_rule_covers_is_listed():
    class Sums(nn.Module):
        def forward(self, x):
            return x.cumsum(2).cumsum(3)
    result = complexity(Sums(), 8)
    assert dict(result.left_out) == {'aten.cumsum': 2}


def test_an_image_of_another_size_than_a_full_map_kernel_is_an_error():
    op = dict(type='GatherExcite', variant='theta')
    with pytest.raises(ValueError, match=r'ResNet cannot be counted at 320x224: .*owns a kernel for maps of 56x56'):
        complexity(dict(type='se_backbones.ResNet', depth=18, context=dict(op=op)), (320, 224))
    with pytest.raises(ValueError, match='the config has no model'):
        complexity(Config(dict(lr=1)))


def counted(network, size=224):
    """The complexity of a backbone's config with a classifier; each is counted once for all tests."""
    return _counted(json.dumps(network, sort_keys=True), size)


@cache
def _counted(network, size):
    with torch.device('meta'):
        network = with_classifier(build(json.loads(network)))
    return complexity(network, size)


def row(table, name):
    return next(row for row in paper_tables.ROWS if (row.table, row.name) == (table, name))


def with_network(row, **settings):
    return row._replace(network=dict(row.network, **settings), differs={}, not_reproducible={})


def verdicts(row):
    """``{quantity: verdict}`` of a row."""
    return {verdict.quantity: verdict for verdict in compare_with_papers([row])}


@pytest.mark.parametrize('name', ['SqueezeExcite', 'GatherExcite'])
def test_sums_are_those_of_branches_and_shortcuts(name):
    context = dict(op=dict(type=name))
    elementwise = complexity(dict(type='se_backbones.ResNet', depth=50, context=context), 64).total.elementwise
    blocks = ((3, 256, 16), (4, 512, 8), (6, 1024, 4), (3, 2048, 2))
    elements = sum(count * channels * side**2 for count, channels, side in blocks)
    assert elementwise['sum'] == elementwise['scale'] == elements


def test_networks_without_shortcuts_have_no_sums():
    for network in (dict(type='VGG', depth=16), dict(type='MobileNetV1'), dict(type='BNInception')):
        network = dict(network, type=f'se_backbones.{network["type"]}', context=SE)
        assert complexity(network, 64).total.elementwise['sum'] == 0
    # ShuffleNet sums in its units of stride 1 only
    sums = complexity(dict(type='se_backbones.ShuffleNetV1'), 64).total.elementwise['sum']
    assert sums == 3 * 240 * 8**2 + 7 * 480 * 4**2 + 3 * 960 * 2**2


def test_terms_of_other_shapes_are_no_sum_of_maps():
    class Shift(nn.Module):
        def forward(self, x):
            return x + 1 + x.flatten(2)[..., :1, None]
    assert dict(complexity(Shift(), 8).total.elementwise) == dict(pointwise=2 * 3 * 64)


def test_conventions_count_what_they_name():
    cost = Cost(parameters=100, statistics=7, multiply_adds=5000,
                elementwise=Counter(scale=300, sum=20, pool=1, norm=1, pointwise=1))
    assert {paper: c.operations(cost) for paper, c in CONVENTIONS.items()} == dict(SE=5320, GE=5300)
    assert {paper: c.parameters(cost) for paper, c in CONVENTIONS.items()} == dict(SE=107, GE=107)


@pytest.mark.parametrize(('printed', 'ours', 'reason', 'reproducible', 'kind', 'text'), [
    ('3.86', 3.8649, '', True, 'agrees', 'agrees to the printed digit'),
    ('3.86', 3.8651, '', True, 'differs', 'differs by +0.005'),
    ('140', 138.84, 'of this', True, 'differs', 'differs by -1.2: of this'),
    ('2.0', 2.25, 'of that', False, 'not reproducible', 'not reproducible (differs by +0.25), because of that'),
])
def test_verdicts(printed, ours, reason, reproducible, kind, text):
    verdict = Verdict('SE Table II', 'a', 'GFLOPs', printed, ours, ours, reason, reproducible)
    assert (verdict.kind, verdict.text, verdict.paper) == (kind, text, 'SE')


def test_rows_are_configs_of_registered_backbones():
    for row in (*paper_tables.ROWS, *paper_tables.ALTERNATIVES):
        assert ast.literal_eval(repr(row.network)) == row.network
    network = row.network
    with torch.device('meta'):
        assert type(MODELS.build(network)).__name__ == network['type'].removeprefix('se_backbones.')


# Each reason holds what it claims.


def test_reason_about_pools_is_true():
    def agrees_with_pools(name):
        result = counted(row('SE Table II', name).network)
        reads = result.by_operator['SqueezeExcite'].elementwise['pool']
        operations = CONVENTIONS['SE'].operations(result.total) + reads
        return f'{operations / 1e9:.2f}' == row('SE Table II', name).printed['GFLOPs']
    explained = {r.name for r in paper_tables.ROWS if r.differs.get('GFLOPs') == paper_tables.POOL}
    assert explained == {'SE-ResNet-101', 'SE-ResNeXt-50', 'SE-ResNeXt-101', 'SE-BN-Inception'}
    assert all(map(agrees_with_pools, explained))
    assert not any(map(agrees_with_pools, ('SE-ResNet-50', 'SE-ResNet-152', 'SE-VGG-16')))


def test_reason_about_sums_is_true():
    def agrees_without_sums(row):
        return f'{CONVENTIONS["GE"].operations(counted(row.network).total) / 1e9:.2f}' == row.printed['GFLOPs']
    explained = [r for r in paper_tables.ROWS if r.differs.get('GFLOPs') == paper_tables.NO_SUMS]
    assert len(explained) == 5 and all(map(agrees_without_sums, explained))
    for name in ('ResNet-101', 'ResNet-152'):
        assert not agrees_without_sums(row('SE Table II', name))


def test_reason_about_norms_is_true():
    def agrees_with_norms(row):
        total = counted(row.network).total
        return f'{(CONVENTIONS["GE"].operations(total) + total.elementwise["norm"]) / 1e9:.2f}' == row.printed['GFLOPs']
    for name in ('ResNeXt-50', 'SE-ResNeXt-50', 'ResNeXt-101', 'SE-ResNeXt-101'):
        assert agrees_with_norms(row('SE Table II', name))
    for name in ('ResNet-50', 'ResNet-101'):
        assert not agrees_with_norms(row('SE Table II', name))


def test_what_a_convention_for_each_section_would_give_is_true():
    ablations = ('SE Table XIII', 'SE Table XV', 'SE Table XVI')  # sections 6 and 7
    agreeing = Counter()
    for each in (each for each in paper_tables.ROWS if each.table.startswith('SE')):
        for quantity in each.printed.keys() & {'GFLOPs', 'MFLOPs'}:
            ablation = each.table in ablations
            convention = CONVENTIONS['GE' if ablation else 'SE']
            operations = convention.operations(counted(each.network, each.input_size).total)
            verdict = Verdict(each.table, each.name, quantity, each.printed[quantity],
                              operations / dict(GFLOPs=1e9, MFLOPs=1e6)[quantity], 0.0)
            agreeing[ablation, verdict.agrees] += 1
    assert agreeing == {(False, True): 11, (False, False): 9, (True, True): 10}
    assert '21 of 30 cells on FLOPs agree, all 10 of these' in paper_tables.BY_SECTION


def test_reason_about_trainable_parameters_is_true():
    def agrees_without_statistics(table, name):
        verdict = verdicts(row(table, name))['Params (M)']
        return replace(verdict, ours=verdict.plain).agrees
    for name in ('MobileNet', 'SE-ShuffleNet'):
        assert agrees_without_statistics('SE Table III', name)
    assert verdicts(row('SE Table X', 'r = 4'))['Params (M)'].agrees
    assert not agrees_without_statistics('SE Table X', 'r = 4')


def test_reason_for_r_8_is_true():
    def agrees_with_bias(name):
        plain = row('SE Table X', name)
        op = dict(plain.network['context']['op'], bias=True)
        return verdicts(with_network(plain, context=dict(op=op)))['Params (M)'].agrees
    assert agrees_with_bias('r = 8') and not agrees_with_bias('r = 2')


def test_reason_about_cut_off_digits_is_true():
    def cut_off(row):
        parameters = counted(row.network).total.parameters_and_statistics
        return f'{floor(parameters / 1e5) / 10:.1f}' == row.printed['Params (M)']
    # theta-minus has the parameters of the baseline
    for name in ('ResNet-152', 'ResNet-101 (baseline)', 'SE', 'GE-theta', 'GE-theta-plus'):
        assert cut_off(row('GE Table 3', name))
    assert not cut_off(row('GE Table 2', 'GE-theta'))


@pytest.mark.parametrize('name', ['Inception-ResNet-v2', 'SE-Inception-ResNet-v2'])
def test_reason_for_inception_resnet_is_true(name):
    reason = row('SE Table II', name).not_reproducible['GFLOPs']
    nearest = verdicts(with_network(row('SE Table II', name), depth=(5, 20, 5)))['GFLOPs']
    assert f'depth=(5, 20, 5) with {nearest.ours:.3f};' in reason and not nearest.agrees
    assert abs(nearest.ours - float(nearest.printed)) < 0.021


@pytest.mark.parametrize('name', ['ShuffleNet', 'SE-ShuffleNet'])
def test_reason_for_shufflenet_of_the_se_paper_is_true(name):
    narrow = row('SE Table III', name)
    wide = verdicts(with_network(narrow, bottleneck='output'))
    assert f'gives {wide["MFLOPs"].ours:.1f} and misses' in narrow.not_reproducible['MFLOPs']
    assert not wide['Params (M)'].agrees
    ge = row('GE Table 4', 'SE' if name.startswith('SE') else name)
    assert f'the GE paper prints {ge.printed["MFLOPs"]} for' in narrow.not_reproducible['MFLOPs']


def test_reasons_for_shufflenet_of_the_ge_paper_are_true():
    for other in paper_tables.ALTERNATIVES:
        name, _, setting = other.name.partition(' with ')
        found, own = verdicts(other), verdicts(row(other.table, name))
        assert [found[quantity].agrees for quantity in ('MFLOPs', 'Params (M)')] == [True, False]
        assert [own[quantity].agrees for quantity in ('MFLOPs', 'Params (M)')] == [False, True]
        assert setting in own['MFLOPs'].reason
        assert other.printed == row(other.table, name).printed
    plus = row('GE Table 4', 'GE-theta-plus')
    both = [verdicts(with_network(plus, context_on=on))['Params (M)'].ours for on in ('branch', 'output')]
    assert both[0] < both[1] < float(plus.printed['Params (M)'])

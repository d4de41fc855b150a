"""What holds for every backbone in the registry, on narrow ones: with no operator and with each kind of operator."""

import copy
import inspect
import pickle
import re

import pytest
import torch
from mmcv.cnn import fuse_conv_bn
from mmengine.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from helpers import as_if_trained, assert_identical
from se_backbones import registry
from se_backbones.models.backbones.base import Backbone
from se_backbones.models.fusion import fuse_for_inference
from se_backbones.models.operators import ContextOperator
from se_backbones.models.operators.excite import BottleneckExcite
from se_backbones.models.placement import PLACEMENTS

# The settings that make each network small; the first word is the type. `input_size` is what the tests feed it. A
# stage's last map should have more than one position, so that batch norms see several values.
NARROW = {
    'ResNet bottleneck': dict(depth=(2, 1, 1, 1), base_channels=4, input_size=64),
    'ResNet basic': dict(depth=(2, 1, 1, 1), base_channels=4, block='basic', input_size=64),
    'ResNeXt': dict(depth=(2, 1, 1, 1), base_channels=4, groups=2, base_width=2, input_size=64),
    'ResNetV1c': dict(depth=(2, 1, 1, 1), base_channels=4, input_size=64),
    'ResNetV1d': dict(depth=(2, 1, 1, 1), base_channels=4, input_size=64),
    'SENet': dict(depth=(2, 1, 1, 1), base_channels=4, groups=2, base_width=2, input_size=64),
    'VGG': dict(depth=(1, 1, 2, 1, 1), base_channels=4, input_size=64),
    'BNInception': dict(depth=(2, 2, 2), widen_factor=1 / 16, input_size=64),
    'InceptionResNetV2': dict(depth=(1, 1, 2), widen_factor=1 / 16, input_size=96),
    'MobileNetV1': dict(depth=(1, 2, 1, 1, 1), widen_factor=1 / 8, input_size=64),
    'ShuffleNetV1': dict(depth=(2, 1, 1), widen_factor=1 / 4, groups=2, input_size=64),
    'PreActResNet basic': dict(depth=(2, 2, 1), base_channels=4, block='basic', input_size=16),
    'PreActResNet bottleneck': dict(depth=(2, 2, 1), base_channels=4, block='bottleneck', input_size=16),
    'WideResNet': dict(depth=(2, 2, 1), base_channels=4, widen_factor=2, input_size=16),
    'ShakeShake basic': dict(depth=(2, 2, 1), base_width=4, block='basic', input_size=16),
    'ShakeShake bottleneck': dict(depth=(2, 2, 1), base_width=2, groups=2, base_channels=2, block='bottleneck',
                                  input_size=16),
}
# Those with fewer slots than a residual unit.
SLOTS = {
    'VGG': ('standard',),
    'BNInception': ('standard',),
    'MobileNetV1': ('standard',),
    'InceptionResNetV2': ('standard', 'pre', 'post', 'identity'),
}
# Networks whose strided layers have no padding: their maps are smaller than the strides say.
UNPADDED = ('InceptionResNetV2',)
SE = dict(type='SqueezeExcite', ratio=2)
THETA_MINUS = dict(type='GatherExcite')
THETA_GLOBAL = dict(type='GatherExcite', variant='theta')
THETA_E8 = dict(type='GatherExcite', variant='theta', extent=8)
THETA_PLUS_E8 = dict(type='GatherExcite', variant='theta_plus', extent=8, ratio=2)
# Each network has four blocks or more: one carries them all.
ANY_SIZE = (SE, THETA_PLUS_E8, THETA_MINUS, THETA_E8)
LEARNING = (SE, THETA_PLUS_E8, THETA_GLOBAL, THETA_E8)
registry.MODELS.import_from_location()
REGISTERED = sorted(name for name, cls in registry.MODELS.module_dict.items() if issubclass(cls, Backbone))


@pytest.fixture(params=NARROW)
def kind(request):
    return request.param


def build(kind, op=None, *, placement='standard', **kwargs):
    """Build a narrow network that returns the maps of all stages, as if trained.

    No norm is the identity, and no ReLU in an operator is zero everywhere (its few hidden channels could all be).
    """
    kwargs = {**NARROW[kind], 'context': op and dict(op=op, placement=placement), **kwargs}
    net = MODELS.build(dict(type=f'se_backbones.{kind.split()[0]}', **kwargs))
    if 'out_indices' not in kwargs:
        net.out_indices = tuple(range(stages_of(kind)))
    for module in as_if_trained(net).modules():
        if isinstance(module, BottleneckExcite) and module.down.bias is not None:
            nn.init.constant_(module.down.bias, 5)
    return net


def stages_of(kind):
    # The two Inceptions have a stage without blocks before those that `depth` counts.
    return len(NARROW[kind]['depth']) + ('Inception' in kind)


def in_turn(kind, ops, **options):
    """Return a context that gives the blocks these operators in turn."""
    depth = [0] * ('Inception' in kind) + list(NARROW[kind]['depth'])
    before = [sum(depth[:stage]) for stage in range(len(depth))]
    return [dict(op=op, stages=tuple(tuple((first + block) % len(ops) == number for block in range(count))
                                     for first, count in zip(before, depth, strict=True)), **options)
            for number, op in enumerate(ops)]


def images_of(kind, height=1, width=1):
    """Return three images of the network's own size times these factors."""
    size = NARROW[kind]['input_size']
    return torch.randn(3, 3, int(height * size), int(width * size))


def run(net, images):
    torch.manual_seed(1)  # for networks that draw numbers in training
    return net(images)


@pytest.mark.parametrize('name', REGISTERED)
def test_the_signature_shows_all_arguments(name):
    cls = registry.MODELS.get(name)
    shown = inspect.signature(cls).parameters
    assert [name for name, argument in shown.items() if argument.kind is argument.POSITIONAL_OR_KEYWORD] == [
        'depth', 'context']
    assert {'in_channels', 'out_indices', 'frozen_stages', 'conv_cfg', 'norm_cfg', 'norm_eval', 'with_cp', 'input_size',
            'pretrained', 'init_cfg'} < set(shown)
    assert not {'kwargs', 'num_stages'} & set(shown) or name.startswith(('Res', 'SENet', 'VGG'))
    with pytest.raises(ValueError, match=f"{name} has no option 'out_indexes'.*Did you mean 'out_indices'"):
        cls(out_indexes=(1,))


# What mmpretrain's constructors hand on without a default of their own.
FORCED = {'ResNetV1c': dict(deep_stem=True), 'ResNetV1d': dict(deep_stem=True, avg_down=True)}


@pytest.mark.parametrize('name', ['ResNet', 'ResNeXt', 'ResNetV1c', 'ResNetV1d', 'VGG', 'ShuffleNetV1', 'ResLayer'])
def test_defaults_are_the_hosts(name):
    """mmpretrain's, and mmdet's of the shared head; None is a question that we answer ourselves."""
    host = 'mmdet' if name == 'ResLayer' else 'mmpretrain'
    theirs = {}
    for cls in reversed(MODELS.get(f'{host}.{name}').__mro__):
        if cls.__module__.startswith(host):
            theirs |= {key: value.default for key, value in inspect.signature(cls.__init__).parameters.items()}
    ours = {key: value.default for key, value in inspect.signature(registry.MODELS.get(name)).parameters.items()}
    theirs |= FORCED.get(name, {})
    unsaid = (None, inspect.Parameter.empty)
    both = [key for key in theirs.keys() & ours.keys() if ours[key] not in unsaid and theirs[key] not in unsaid]
    assert len(both) >= 5
    assert {key: ours[key] for key in both} == {key: theirs[key] for key in both}


@pytest.mark.parametrize('name', REGISTERED)
def test_the_size_of_images_is_that_of_the_paper(name):
    size = {'InceptionResNetV2': 299, 'PreActResNet': 32, 'WideResNet': 32, 'ShakeShake': 32}.get(name, 224)
    assert inspect.signature(registry.MODELS.get(name)).parameters['input_size'].default == size


@pytest.mark.parametrize('count', [0, True, 1.0])
def test_a_stage_has_a_whole_number_of_blocks(kind, count):
    with pytest.raises(ValueError, match=f'depth.* got .*{count}'):
        build(kind, depth=(*NARROW[kind]['depth'][:-1], count))


def test_layer_wise_decay_has_one_depth_for_each_stage(kind):
    net = build(kind, SE)
    assert net.get_layer_depth('head.fc.weight', 'backbone.') == (net.num_stages + 1, net.num_stages + 2)
    for stage in range(net.num_stages):
        found = {net.get_layer_depth(f'backbone.{name}', 'backbone.')[0] for name, parameter in net.named_parameters()
                 if any(parameter is own for module in net.stage_modules(stage) for own in module.parameters())}
        assert found == {stage + 1}
    assert {net.get_layer_depth(name)[0] for name, _ in net.named_parameters()} >= set(range(1, net.num_stages + 1))


@torch.no_grad()
def inferred(net, images):
    return net.eval()(images)


def operators(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, ContextOperator)}


def split_state(net):
    """Return ``{name: shape}`` of the host and of the operators."""
    host, gates = {}, {}
    for name, value in net.state_dict().items():
        (gates if '.context.' in name else host)[name] = tuple(value.shape)
    return host, gates


def assert_equal_maps(ours, theirs):
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def gradients(net, images):
    """Return the maps and, by parameter, the gradient of a sum of them with fixed random weights."""
    maps = run(net, images)
    torch.manual_seed(2)
    # Random weights, since a norm fixes the sum and the sum of squares of its channels.
    sum((m * torch.randn_like(m)).sum() for m in maps).backward()
    return maps, {name: p.grad for name, p in net.named_parameters()}


def assert_learns(maps, grads):
    assert all(m.isfinite().all() for m in maps)
    silent = [name for name, grad in grads.items() if grad is None or not grad.any() or not grad.isfinite().all()]
    assert not silent, f'no finite gradient for {silent}'


def test_this_table_has_a_row_for_every_registered_backbone():
    rows = {kind.split()[0] for kind in NARROW}
    missing, unknown = set(REGISTERED) - rows, rows - set(REGISTERED)
    assert not missing, f'no test here runs {missing}: add a row with their narrow settings to NARROW'
    assert not unknown, f'NARROW has rows for {unknown}, which are not registered'


@pytest.mark.parametrize('ops', [None, ANY_SIZE], ids=['plain', 'gated'])
def test_maps_of_any_image_size_have_the_channels_and_strides_of_feature_info(kind, ops):
    net = build(kind, context=ops and in_turn(kind, ops))
    assert [f.stage for f in net.feature_info] == list(range(stages_of(kind)))
    for factors in ((1, 1), (1.5, 1.5), (1, 1.5)):
        images = images_of(kind, *factors)
        maps = inferred(net, images)
        assert isinstance(maps, tuple)
        for feature, m in zip(net.feature_info, maps, strict=True):
            assert m.isfinite().all(), f'{feature} of a {factors} image'
            assert m.shape[:2] == (3, feature.channels)
            if kind not in UNPADDED:
                assert [side * feature.stride for side in m.shape[2:]] == list(images.shape[2:]), feature


def test_global_theta_kernels_follow_input_size_and_another_size_is_an_error_with_both(kind):
    for size in ((76, 76), (97, 97), (81, 118)):
        inferred(build(kind, THETA_GLOBAL, input_size=size), torch.randn(2, 3, *size))
    net = build(kind, THETA_GLOBAL)
    own = next(iter(operators(net).values())).gather.map_size
    with pytest.raises(ValueError) as error:
        net(images_of(kind, 1, 1.5))
    sizes = re.search(r'maps of (\d+)x(\d+), but got a map of (\d+)x(\d+)\. .*input_size.*extent=8', str(error.value))
    height, width, given_height, given_width = map(int, sizes.groups())
    assert (height, width) == own == (given_height, own[1]) and given_width > width


def test_every_parameter_learns_and_the_same_from_recomputed_units(kind):
    context = in_turn(kind, LEARNING)
    plain, saving = (build(kind, context=context, with_cp=with_cp).double().train() for with_cp in (False, True))
    saving.load_state_dict(plain.state_dict())
    images = images_of(kind).double()
    (maps, grads), (maps_cp, grads_cp) = (gradients(net, images) for net in (plain, saving))
    assert_learns(maps, grads)
    assert_equal_maps(maps, maps_cp)
    for name, grad in grads.items():
        torch.testing.assert_close(grads_cp[name], grad, msg=lambda text, name=name: f'{name}: {text}')


def test_a_fresh_network_with_the_state_and_copies_are_the_same_function(kind):
    context = in_turn(kind, LEARNING)
    net, fresh, images = build(kind, context=context), build(kind, context=context), images_of(kind)
    maps = inferred(net, images)
    assert not torch.equal(inferred(fresh, images)[-1], maps[-1])
    fresh.load_state_dict(net.state_dict())
    for name, other in dict(fresh=fresh, deepcopy=copy.deepcopy(net), pickle=pickle.loads(pickle.dumps(net))).items():
        assert_equal_maps(inferred(other, images), maps)
        assert other.feature_info == net.feature_info, name
        assert not {id(p) for p in other.parameters()} & {id(p) for p in net.parameters()}, name


def test_context_adds_one_operator_to_each_block_and_nothing_else(kind):
    net, plain = build(kind, context=in_turn(kind, LEARNING)), build(kind)
    host, gates = split_state(net)
    assert (host, {}) == split_state(plain) and not operators(plain)
    assert len(operators(net)) == sum(NARROW[kind]['depth'])
    alone = {}
    for name, operator in operators(net).items():
        assert name.endswith('.context.standard')
        (op,) = (op for op in LEARNING if [op.get('variant'), op.get('extent', 'global')] == [
            getattr(operator, 'variant', None), getattr(operator, 'extent', 'global')])
        map_size = dict(map_size=operator.gather.map_size) if op == THETA_GLOBAL else {}
        same = MODELS.build({**op, **map_size, 'type': f'se_backbones.{op["type"]}',
                             'in_channels': operator.in_channels})
        alone.update({f'{name}.{key}': tuple(value.shape) for key, value in same.state_dict().items()})
    assert gates == alone


def test_operators_act_on_the_maps_of_their_stages_alone(kind):
    last = tuple(stage == stages_of(kind) - 1 for stage in range(stages_of(kind)))
    plain, net = build(kind), build(kind, context=dict(op=THETA_PLUS_E8, stages=last, insertion='fresh'))
    net.load_state_dict(plain.state_dict(), strict=False)
    assert len(operators(net)) == NARROW[kind]['depth'][-1]
    images = images_of(kind)
    maps, gated = inferred(plain, images), inferred(net, images)
    assert_equal_maps(maps[:-1], gated[:-1])
    assert not torch.allclose(maps[-1], gated[-1])


SHAPES = {
    # what changes: from one op, to another, the parts of an operator whose entries of the state dict change
    'ratio': (dict(SE, ratio=1), dict(SE, ratio=4), {'excite.down.weight', 'excite.down.bias', 'excite.up.weight'}),
    'bias': (SE, dict(SE, bias=False), {'excite.down.bias', 'excite.up.bias'}),
    'squeeze': (SE, dict(SE, squeeze='max'), set()),
    'no squeeze': (SE, dict(SE, squeeze='none'), set()),
    'gate': (SE, dict(SE, gate='tanh'), set()),
    'extent without parameters': (THETA_MINUS, dict(THETA_MINUS, extent=4), set()),
    'extent': (THETA_E8, dict(THETA_E8, extent=4), {'gather.conv3.weight', *(
        f'gather.bn3.{part}' for part in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'))}),
    'variant': (THETA_E8, THETA_PLUS_E8, {'excite.down.weight', 'excite.down.bias', 'excite.up.weight',
                                          'excite.up.bias'}),
    'ratio of theta-plus': (THETA_PLUS_E8, dict(THETA_PLUS_E8, ratio=4), {
        'excite.down.weight', 'excite.down.bias', 'excite.up.weight'}),
    'bias of theta-plus': (THETA_PLUS_E8, dict(THETA_PLUS_E8, bias=False), {'excite.down.bias', 'excite.up.bias'}),
}


@pytest.mark.parametrize(('op', 'other', 'parts'), SHAPES.values(), ids=SHAPES)
def test_each_option_of_an_operator_changes_its_own_part_and_the_function(op, other, parts):
    kind = 'ResNet bottleneck'
    nets = [build(kind, settings) for settings in (op, other)]
    (host, gates), (other_host, other_gates) = map(split_state, nets)
    assert host == other_host
    changed = {name.split('.context.standard.')[1] for name in gates.keys() | other_gates.keys()
               if gates.get(name) != other_gates.get(name)}
    assert changed == parts
    same = {name: value for name, value in nets[0].state_dict().items() if {**host, **other_gates}.get(name)
            == value.shape}
    # Not by loading, which takes no part of an operator.
    for name, value in nets[1].state_dict().items():
        value.copy_(same.get(name, value))
    images = images_of(kind)
    assert not torch.allclose(*(inferred(net, images)[-1] for net in nets))


def test_a_slot_of_the_architecture_takes_operators_that_learn_and_any_other_is_refused(kind):
    slots = SLOTS.get(kind.split()[0], PLACEMENTS)
    host, images = split_state(build(kind))[0], images_of(kind)
    for placement in slots:
        plain, net = build(kind), build(kind, context=in_turn(kind, LEARNING, placement=placement))
        assert split_state(net)[0] == host
        assert operators(net) and all(name.endswith(f'.context.{placement}') for name in operators(net))
        assert_learns(*gradients(net.double(), images.double()))
        plain.load_state_dict(net.state_dict(), strict=False)
        assert not torch.allclose(*(inferred(net.float(), images)[-1] for net in (plain, net)))
    for placement in {*PLACEMENTS, 'behind'} - {*slots}:
        with pytest.raises(ValueError) as error:
            build(kind, SE, placement=placement)
        allowed = ', '.join(map(repr, slots))
        assert str(error.value).startswith(f'context.placement must be one of {allowed}, got {placement!r}.')


@pytest.mark.parametrize(('kind', 'placement'), [
    (kind, placement) for kind in NARROW for placement in SLOTS.get(kind.split()[0], PLACEMENTS)])
def test_operators_inserted_into_plain_weights_change_nothing_or_the_reason_is_named(kind, placement, tmp_path,
                                                                                     monkeypatch):
    monkeypatch.setenv('SE_BACKBONES_TAIL', 'plain')  # the fused one adds up in another order
    plain = build(kind)
    torch.save(plain.state_dict(), tmp_path / 'plain.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'plain.pth'))
    net = build(kind, context=in_turn(kind, LEARNING, placement=placement), init_cfg=init)
    if placement in ('identity', 'post'):
        with pytest.raises(ValueError, match='Cannot insert .* because .*insertion="fresh"'):
            net.init_weights()
    else:
        net.init_weights()
        assert_identical(plain, net, images_of(kind))


def upstream(net, images):
    """Return for each stage the names of the parameters that its map depends on."""
    names, parameters = zip(*net.named_parameters(), strict=True)
    return [{name for name, grad in zip(names, torch.autograd.grad(
        m.sum(), parameters, retain_graph=True, allow_unused=True), strict=True) if grad is not None}
        for m in run(net, images)]


@pytest.mark.parametrize('freeze_with_stage', [False, True], ids=['gates learn', 'gates freeze'])
def test_frozen_stages_hold_what_their_maps_depend_on_but_gates_unless_told_so(kind, freeze_with_stage):
    context, images = in_turn(kind, ANY_SIZE, freeze_with_stage=freeze_with_stage), images_of(kind)
    needed = upstream(build(kind, context=context), images)
    for frozen in range(1, stages_of(kind) + 1):
        net = build(kind, context=context, frozen_stages=frozen).train()
        held = {name for name, p in net.named_parameters() if not p.requires_grad}
        assert held == {name for name in needed[frozen - 1] if freeze_with_stage or '.context.' not in name}
        for name, norm in net.named_modules():
            if isinstance(norm, _BatchNorm):
                assert norm.training is (f'{name}.weight' not in held), name
    if freeze_with_stage:  # all is frozen by now, so that nothing depends on the mode
        assert_equal_maps(net(images), inferred(net, images))


def test_frozen_stage_0_is_the_stem(kind):
    net = build(kind, frozen_stages=0)
    held = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert held < upstream(build(kind), images_of(kind))[0]
    assert bool(held) is (kind != 'VGG')  # which has none
    assert {id(p) for module in net.stem_modules() for p in module.parameters()} == {
        id(p) for name, p in net.named_parameters() if name in held}


def test_norm_eval_holds_all_norms_but_those_of_the_gates(kind):
    net = build(kind, THETA_PLUS_E8, norm_eval=True).train()
    norms = {name: norm for name, norm in net.named_modules() if isinstance(norm, _BatchNorm)}
    assert any('.context.' in name for name in norms) and not all('.context.' in name for name in norms)
    for name, norm in norms.items():
        assert norm.training is ('.context.' in name), name


def test_init_weights_leaves_finite_parameters_and_a_network_that_computes(kind):
    net = build(kind, context=in_turn(kind, LEARNING))
    net.init_weights()
    broken = [name for name, value in net.state_dict().items() if not value.isfinite().all()]
    assert not broken, broken
    for training in (True, False):
        assert all(m.isfinite().all() for m in net.train(training)(images_of(kind)))


def test_norm_cfg_is_that_of_every_norm(kind):
    context, images = in_turn(kind, LEARNING), images_of(kind)
    count = sum(isinstance(module, _BatchNorm) for module in build(kind, context=context).modules())
    net = build(kind, context=context, norm_cfg=dict(type='GN', num_groups=1)).double().train()
    assert count == sum(isinstance(module, nn.GroupNorm) for module in net.modules())
    assert not [name for name, module in net.named_modules() if isinstance(module, _BatchNorm)]
    maps, grads = gradients(net, images.double())
    assert all(m.isfinite().all() for m in maps)
    assert not [name for name, grad in grads.items() if grad is None or not grad.isfinite().all()]
    for norm_cfg in (dict(type='SyncBN'), dict(type='BN', requires_grad=False)):
        assert all(m.isfinite().all() for m in inferred(build(kind, context=context, norm_cfg=norm_cfg), images))


@torch.no_grad()
@pytest.mark.parametrize('fold', [fuse_for_inference, fuse_conv_bn], ids=['ours', "mmcv's"])
def test_norms_folded_into_convolutions_keep_the_function(kind, fold):
    net, images = build(kind, context=in_turn(kind, LEARNING)).double().eval(), images_of(kind).double()
    folded = fold(copy.deepcopy(net))
    assert len(norms_of(folded)) < len(norms_of(net))
    for a, b in zip(folded(images), net(images), strict=True):
        torch.testing.assert_close(a, b)


def norms_of(net):
    return [name for name, module in net.named_modules() if isinstance(module, _BatchNorm)]


def test_output_is_a_tuple_in_out_indices_order(kind):
    everything, last, images = build(kind), stages_of(kind) - 1, images_of(kind)
    maps = inferred(everything, images)
    for indices in ([last, 0], (1,), (0, 1, 2)):
        net = build(kind, out_indices=indices)
        net.load_state_dict(everything.state_dict())
        out = inferred(net, images)
        assert isinstance(out, tuple)
        assert_equal_maps(out, [maps[index] for index in indices])
        assert net.feature_info == tuple(everything.feature_info[index] for index in indices)
    by_default = MODELS.build(dict(NARROW[kind], type=f'se_backbones.{kind.split()[0]}'))
    assert by_default.out_indices == (last,)


def test_wrong_settings_are_one_clear_error(kind):
    for kwargs, message in (
            (dict(out_indices=(7,)), r'out_indices must hold stages among'),
            (dict(frozen_stages=7), r'frozen_stages must be from -1'),
            (dict(input_size='large'), r'input_size must be an int or \(height, width\)'),
            (dict(context=dict(op=SE, stages=(True,))), r'context.stages must have one entry for each of the'),
            (dict(context=dict(op=dict(SE, ratio=0))), r'SqueezeExcite.ratio must be an int of at least 1, got 0'),
            (dict(pretrained='a.pth', init_cfg=dict(type='Pretrained', checkpoint='b.pth')), r'exclude each other')):
        with pytest.raises(ValueError, match=message):
            build(kind, **kwargs)


# Units of stride 1, with and without a projection, and one of stride 2: compiling takes seconds for each.
SHALLOW = dict(depth=(2, 1), out_indices=(0, 1))
COMPILED = [pytest.param('ResNet bottleneck', [dict(op=op, stages=stage) for op, stage in zip(
                ops, [((True, False), False), ((False, True), False), (False, True)])], SHALLOW, id=name)
            for name, ops in dict(se=(SE,) * 3, ge=(THETA_E8, THETA_MINUS, THETA_PLUS_E8)).items()]
COMPILED += [pytest.param(kind, in_turn(kind, ops) if ops else None, {}, id=f'{kind}-{name}', marks=pytest.mark.slow)
             for kind in NARROW for name, ops in dict(plain=None, gated=LEARNING).items()]


@pytest.mark.parametrize(('kind', 'context', 'settings'), COMPILED)
def test_torch_compile_takes_it_down_as_one_graph(kind, context, settings):
    """In training and in eval mode; forward, backward and running statistics are those of eager mode."""
    net, images = build(kind, context=context, **settings), images_of(kind)
    eager = copy.deepcopy(net)
    for training in (True, False):
        torch._dynamo.reset()
        outputs = []
        for candidate in (eager, net):
            candidate.train(training)
            forward = torch.compile(candidate, backend='aot_eager', fullgraph=True) if candidate is net else candidate
            candidate.zero_grad()
            maps = run(forward, images)
            sum(out.square().mean() for out in maps).backward()
            outputs.append(maps)
        for a, b in zip(*outputs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
        for (name, a), b in zip(eager.named_parameters(), net.parameters(), strict=True):
            if a.grad is not None:
                torch.testing.assert_close(a.grad, b.grad, rtol=1e-2, atol=1e-3 * float(a.grad.abs().max()) + 1e-6,
                                           msg=lambda text, name=name: f'{name}: {text}')
    for (name, a), b in zip(eager.named_buffers(), net.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f'{name}: {text}')


@pytest.mark.parametrize('frozen', [True, False], ids=['frozen-norms', 'inference'])
def test_torch_fx_traces_it_and_the_graph_takes_any_size(frozen):
    net = build('ResNet bottleneck', context=in_turn('ResNet bottleneck', ANY_SIZE), norm_eval=frozen).train(frozen)
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    graph = torch.fx.symbolic_trace(net)
    for size in ((64, 48), (37, 52)):
        x = torch.randn(2, 3, *size)
        for found, expected in zip(graph(x), net(x), strict=True):
            torch.testing.assert_close(found, expected)

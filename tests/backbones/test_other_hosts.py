"""The contract of the networks that are no ResNets, on narrow ones: operators, hosts, freezing, insertion."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from se_backbones.operators import ContextOperator

NARROW = {
    'BNInception': dict(widen_factor=1 / 16, input_size=64),
    'InceptionResNetV2': dict(widen_factor=1 / 16, depth=(1, 1, 2), input_size=96),
    'VGG': dict(depth=(1, 1, 2, 1, 1), base_channels=4, input_size=64),
    'MobileNetV1': dict(widen_factor=1 / 8, depth=(1, 2, 1, 1, 1), input_size=64),
}
OPS = [
    dict(type='SqueezeExcite', ratio=4), dict(type='SqueezeExcite', squeeze='max', gate='tanh', bias=False),
    dict(type='SqueezeExcite', squeeze='none', gate='relu'),
    dict(type='GatherExcite'), dict(type='GatherExcite', extent=4),
    dict(type='GatherExcite', variant='theta', extent=8), dict(type='GatherExcite', variant='theta'),
    dict(type='GatherExcite', variant='theta_plus', extent=2), dict(type='GatherExcite', variant='theta_plus'),
]
EXACT_OPS = [dict(type='SqueezeExcite', ratio=4), dict(type='GatherExcite', variant='theta'),
             dict(type='GatherExcite', variant='theta_plus', extent=2)]
SE = dict(op=OPS[0])
THETA = dict(op=OPS[5])
# Outputs of strides 4, 8, 16 and 32.
PYRAMID = {'BNInception': (0, 1, 2, 3), 'InceptionResNetV2': (0, 1, 2, 3), 'VGG': (1, 2, 3, 4),
           'MobileNetV1': (1, 2, 3, 4)}


@pytest.fixture(params=list(NARROW))
def kind(request):
    return request.param


def build(kind, **kwargs):
    return MODELS.build(dict(type=f'se_backbones.{kind}', **dict(NARROW[kind], **kwargs)))


def images_for(kind, count=2):
    size = NARROW[kind]['input_size']
    return torch.randn(count, 3, size, size)


def operators(net):
    return [module for module in net.modules() if isinstance(module, ContextOperator)]


@pytest.mark.parametrize('op', OPS, ids=str)
def test_every_operator_runs_and_every_parameter_learns(kind, op):
    net = build(kind, context=dict(op=op), out_indices=PYRAMID[kind]).train()
    net.init_weights()
    assert operators(net)
    sum(m.square().mean() for m in net(images_for(kind))).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize('size', [76, 97, (81, 118)], ids=str)
def test_global_theta_kernels_follow_input_size(kind, size):
    net = build(kind, input_size=size, context=dict(op=dict(type='GatherExcite', variant='theta')))
    net(torch.randn(2, 3, *(size if isinstance(size, tuple) else (size, size))))


def test_global_theta_at_another_size_names_both_sizes(kind):
    net = build(kind, context=dict(op=dict(type='GatherExcite', variant='theta')))
    with pytest.raises(ValueError, match=r'owns a kernel for maps of .*but got a map of .*input_size.*extent=8'):
        net(torch.randn(2, 3, 160, 160))


def test_output_is_a_tuple_in_out_indices_order(kind):
    net = build(kind, out_indices=[3, 0, 2]).eval()
    everything = build(kind, out_indices=(0, 1, 2, 3)).eval()
    everything.load_state_dict(net.state_dict())
    images = images_for(kind)
    maps, out = everything(images), net(images)
    assert isinstance(out, tuple)
    assert all(torch.equal(a, maps[i]) for a, i in zip(out, (3, 0, 2), strict=True))


def test_mmdets_fpn_takes_the_four_strides(kind):
    net = build(kind, out_indices=PYRAMID[kind])
    assert [feature.stride for feature in net.feature_info] == [4, 8, 16, 32]
    with DefaultScope.overwrite_default_scope('mmdet'):
        neck = MODELS.build(dict(type='FPN', in_channels=[f.channels for f in net.feature_info], out_channels=8,
                                 num_outs=5))
    maps = net(torch.randn(1, 3, 128, 160))
    assert [m.shape[1] for m in maps] == [f.channels for f in net.feature_info]
    if kind != 'InceptionResNetV2':  # whose strided layers have no padding
        assert [m.shape[2:] for m in maps] == [(128 // s, 160 // s) for s in (4, 8, 16, 32)]
    assert [m.shape[2:] for m in neck(maps)[:4]] == [m.shape[2:] for m in maps]


def test_mmpretrains_classifier_trains_with_it(kind):
    from mmpretrain.structures import DataSample
    backbone = dict(NARROW[kind], type=f'se_backbones.{kind}', context=SE)
    neck, head = dict(type='GlobalAveragePooling'), dict(type='LinearClsHead', num_classes=5, in_channels=1)
    head['in_channels'] = build(kind).feature_info[-1].channels
    if kind == 'VGG':  # with its own head, as the paper's
        backbone.update(num_classes=5, fc_channels=16)
        neck, head = None, dict(type='ClsHead', loss=dict(type='CrossEntropyLoss'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, neck=neck, head=head))
    model.init_weights()
    losses = model.train()(images_for(kind), [DataSample().set_gt_label(1), DataSample().set_gt_label(3)], mode='loss')
    losses['loss'].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_frozen_stages_stop_the_host_but_not_the_gates(kind):
    net = build(kind, frozen_stages=2, context=THETA).train()
    frozen = [*net.stem_modules(), *net.stage_modules(0), *net.stage_modules(1)]
    held = {id(p) for module in frozen for name, p in module.named_parameters()
            if 'context.' not in name}
    assert held
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad is (id(parameter) not in held), name
    in_gates = {norm for operator in operators(net) for norm in operator.modules()}
    in_frozen = {norm for module in frozen for norm in module.modules()}
    for norm in net.modules():
        if isinstance(norm, _BatchNorm):
            assert norm.training is (norm in in_gates or norm not in in_frozen)


def test_freeze_with_stage_freezes_gates_too(kind):
    net = build(kind, frozen_stages=len(PYRAMID[kind]), context=dict(THETA, freeze_with_stage=True)).train()
    gates = [p for stage in range(len(PYRAMID[kind])) for module in net.stage_modules(stage) for o in operators(module)
             for p in o.parameters()]
    assert gates and not any(p.requires_grad for p in gates)


def test_norm_eval_holds_all_norms_but_those_of_the_gates(kind):
    net = build(kind, norm_eval=True, context=THETA).train()
    in_gates = {norm for operator in operators(net) for norm in operator.modules()}
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    assert any(norm in in_gates for norm in norms)
    assert all(norm.training is (norm in in_gates) for norm in norms)


def test_checkpointing_gives_the_same_gradients(kind):
    kwargs = dict(context=THETA, norm_eval=True)
    plain, saving = build(kind, **kwargs), build(kind, with_cp=True, **kwargs)
    saving.load_state_dict(plain.state_dict())
    images = images_for(kind)
    for net in (plain, saving):
        net.train()(images)[0].square().sum().backward()
    for (name, a), (_, b) in zip(plain.named_parameters(), saving.named_parameters(), strict=True):
        assert a.grad is not None, name
        torch.testing.assert_close(a.grad, b.grad)


def test_init_cfg_of_the_config_draws_the_host_and_not_the_gates(kind):
    net = build(kind, context=SE, init_cfg=dict(type='Constant', val=0.25, bias=0.5, layer='Conv2d'))
    net.init_weights()
    in_gates = {module for operator in operators(net) for module in operator.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            assert bool((module.weight == 0.25).all()) is (module not in in_gates)


@pytest.mark.parametrize('norm_cfg', [dict(type='SyncBN'), dict(type='GN', num_groups=1),
                                      dict(type='BN', requires_grad=False)], ids=str)
def test_any_norm(kind, norm_cfg):
    net = build(kind, norm_cfg=norm_cfg, context=THETA).eval()
    assert net(images_for(kind))[0].isfinite().all()


def plain_checkpoint(kind, path, **kwargs):
    """Save a network as if trained: no norm is the identity, so that what is doubled matters."""
    net = build(kind, **kwargs)
    net.init_weights()
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, -1, 1.5)
            nn.init.normal_(module.bias)
    torch.save(net.state_dict(), path)
    return net


def assert_insertion_is_exact(kind, path, op, **kwargs):
    placement = kwargs.pop('placement', 'standard')
    net = plain_checkpoint(kind, path, out_indices=PYRAMID[kind], **kwargs)
    gated = build(kind, out_indices=PYRAMID[kind], init_cfg=dict(type='Pretrained', checkpoint=str(path)),
                  context=dict(op=op, placement=placement), **kwargs)
    gated.init_weights()
    assert all((op.gate(torch.randn(2, op.in_channels, *getattr(op.gather, 'map_size', (8, 8)))) == 0.5).all()
               for op in operators(gated))
    images = images_for(kind)
    for training in (False, True):
        for a, b in zip(net.train(training)(images), gated.train(training)(images), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize('op', EXACT_OPS, ids=str)
def test_insertion_is_exact(kind, op, tmp_path):
    assert_insertion_is_exact(kind, tmp_path / 'plain.pth', op)


def test_insertion_is_exact_without_norms(tmp_path):
    assert_insertion_is_exact('VGG', tmp_path / 'plain.pth', EXACT_OPS[0], norm_cfg=None)


def test_insertion_is_exact_before_the_branches(tmp_path):
    assert_insertion_is_exact('InceptionResNetV2', tmp_path / 'plain.pth', EXACT_OPS[0], placement='pre')


@pytest.mark.parametrize('placement', ['pre', 'post', 'identity', '3x3'])
def test_networks_without_shortcuts_have_one_slot(placement):
    for kind in ('BNInception', 'VGG', 'MobileNetV1'):
        with pytest.raises(ValueError, match=rf"context.placement must be one of 'standard', got '{placement}'"):
            build(kind, context=dict(SE, placement=placement))


@pytest.mark.parametrize('placement', ['pre', 'post', 'identity'])
def test_inception_resnet_has_the_slots_of_a_residual_unit(placement):
    net = build('InceptionResNetV2', context=dict(THETA, placement=placement))
    net(images_for('InceptionResNetV2'))[0].sum().backward()
    assert len(operators(net)) == 4
    assert all(p.grad is not None for o in operators(net) for p in o.parameters())


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(out_indices=(7,)), r'out_indices must hold stages among'),
    (dict(frozen_stages=7), r'frozen_stages must be from -1'),
    (dict(input_size='large'), r'input_size must be an int or \(height, width\)'),
    (dict(context=dict(SE, stages=(True,))), r'context.stages must have one entry for each of the'),
    (dict(pretrained='a.pth', init_cfg=dict(type='Pretrained', checkpoint='b.pth')), r'exclude each other'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kind, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(kind, **kwargs)

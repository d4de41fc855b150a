"""The contract that mmdet and mmpretrain have with a backbone, on narrow networks."""


import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from se_backbones.models.operators import ContextOperator

THETA = dict(op=dict(type='GatherExcite', variant='theta', extent=8))
SE = dict(op=dict(type='SqueezeExcite', ratio=4))


def build(kind='ResNet', **kwargs):
    kwargs = dict(dict(depth=(1, 1, 1, 1), base_channels=8), **kwargs)
    return MODELS.build(dict(type=f'se_backbones.{kind}', **kwargs))


@pytest.mark.parametrize('kwargs', [
    dict(), dict(depth=18, base_channels=4), dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    dict(deep_stem=True, avg_down=True), dict(style='caffe', stem_pool='caffe'),
    dict(style='aa', stem_pool='avg'),
    dict(depth=(1, 1, 1), num_stages=2),
], ids=str)
def test_feature_info_tells_channels_and_strides(kwargs):
    net = build(**kwargs)
    net.out_indices = tuple(range(len(net.features)))
    maps = net(torch.randn(1, 3, 128, 128))
    assert [(f.channels, 128 // f.stride) for f in net.feature_info] == [m.shape[1:3] for m in maps]


@pytest.mark.parametrize('size', [(33, 33), (64, 47), (40, 71)], ids=str)
@pytest.mark.parametrize(('stem', 'style'), [('torch', 'pytorch'), ('caffe', 'caffe'), ('avg', 'aa')])
def test_global_theta_kernels_follow_input_size(size, stem, style):
    op = dict(type='GatherExcite', variant='theta')
    net = build(depth=(2, 2, 1, 1), input_size=size, stem_pool=stem, style=style,
                context=[dict(op=op, placement=placement) for placement in ('standard', 'pre', '3x3')])
    assert net(torch.randn(2, 3, *size))[0].isfinite().all()


def test_freeze_with_stage_freezes_gates_too():
    net = build(frozen_stages=1, norm_eval=True, norm_cfg=dict(type='BN', requires_grad=False),
                context=dict(THETA, freeze_with_stage=True)).train()
    assert not any(p.requires_grad for p in net.layer1.parameters())
    assert not net.layer4[0].context['standard'].gather.bn1.training
    assert not net.layer4[0].context['standard'].gather.bn1.weight.requires_grad
    assert net.layer4[0].context['standard'].gather.conv1.weight.requires_grad


def test_gates_ignore_norm_eval_and_frozen_norm_cfg():
    net = build(norm_eval=True, norm_cfg=dict(type='BN', requires_grad=False), context=THETA).train()
    gather = net.layer1[0].context['standard'].gather
    assert gather.bn1.training and gather.bn1.weight.requires_grad
    assert not net.layer1[0].bn1.training and not net.layer1[0].bn1.weight.requires_grad


def test_train_returns_the_network_and_keeps_frozen_stages_over_mode_changes():
    net = build(frozen_stages=1)
    assert net.train() is net and net.eval() is net and net.train(True) is net
    assert not net.layer1.training and not net.bn1.training and net.layer2.training


def test_behind_a_frozen_stem_recomputed_units_give_the_same_gradients(images):
    kwargs = dict(context=[dict(THETA), dict(SE, placement='pre')], norm_cfg=dict(type='GN', num_groups=2),
                  frozen_stages=0, zero_init_residual=False)
    plain, saving = build(**kwargs), build(with_cp=True, **kwargs)
    saving.load_state_dict(plain.state_dict())
    for net in (plain, saving):
        net.train()(images)[0].square().sum().backward()
    for (name, a), (_, b) in zip(plain.named_parameters(), saving.named_parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad)


def test_drop_path_drops_branches_in_training_only():
    net = build(depth=(2,), num_stages=1, drop_path_rate=0.999, zero_init_residual=False)
    unit, x = net.layer1[1], torch.rand(64, 32, 3, 3)
    assert (unit(x) == x).flatten(1).all(1).float().mean() > 0.9
    assert not (unit.eval()(x) == x).flatten(1).all(1).any()
    assert isinstance(net.layer1[0].drop_path, nn.Identity)


def test_zero_init_makes_every_unit_the_identity_at_the_start(images):
    net = build(depth=(2, 2), context=THETA)
    net.init_weights()
    for unit in (net.layer1[1], net.layer2[1]):
        x = torch.rand(2, unit.out_channels, 5, 5)
        assert torch.equal(unit(x), x)
        # The last norm, as in arXiv 1706.02677, section 5.1: behind another one no layer of the branch would learn.
        assert [norm.weight.any().item() for norm in (unit.norm1, unit.norm2, unit.norm3)] == [True, True, False]


@pytest.mark.parametrize(('kind', 'kwargs', 'message'), [
    ('ResNet', dict(depth=26), r'depth must be one of 18, 34, 50, 101, 152 or a tuple'),
    ('ResNet', dict(depth=50, block='basic'), r"block='basic' needs a tuple depth"),
    ('ResNet', dict(style='torch'), r"style must be one of 'pytorch', 'caffe', 'aa', got 'torch'"),
    ('ResNet', dict(stem_pool='ceil'), r"stem_pool must be one of 'torch', 'caffe'"),
    ('ResNet', dict(strides=(1, 2)), r'strides must have one entry for each of the 4 stages'),
    ('ResNet', dict(num_stages=5), r'num_stages=5 is more than the 4 stages'),
    ('ResNet', dict(dcn=dict(type='DCN')), r'dcn=.* and stage_with_dcn=.* need each other'),
    ('ResNet', dict(dcn=dict(type='DCN'), stage_with_dcn=(False, True, True, True), conv_cfg=dict(type='Conv')),
     r'dcn=.* and conv_cfg=.* exclude each other'),
    ('ResNet', dict(drop_path_rate=1.0), r'drop_path_rate must be at least 0 and below 1'),
    ('ResNeXt', dict(groups=1), r'groups=1 makes a plain ResNet'),
    ('ResNeXt', dict(depth=18), r'need bottleneck blocks'),
    ('SENet', dict(depth=50), r'depth must be 154 or a tuple'),
    ('ResNet', dict(plugins=[dict(cfg=dict(type='ContextBlock', ratio=1.), position='after_conv4')]),
     r"plugins\[...\].position must be one of 'after_conv1', 'after_conv2', 'after_conv3', got 'after_conv4'"),
    ('ResNet', dict(plugins=[dict(cfg=dict(type='ContextBlock', ratio=1.))]), r'plugins\[...\].position .* got None'),
    ('ResNet', dict(plugins=[dict(cfg=dict(type='ContextBlock', ratio=1.), position='after_conv3', stage=(True,) * 4)]),
     r"plugins\[...\] has no option 'stage'; .* Did you mean 'stages'"),
    ('ResNet', dict(width_per_group=64, base_width=4), r'width_per_group=64 and base_width=4 are two names'),
    ('ResNet', dict(norm_cfg=dict(type='GN')), r"norm_cfg=\{'type': 'GN'.*\} makes no norm .*it needs num_groups"),
    ('ResNet', dict(context=dict(op=dict(THETA['op'], norm_cfg=dict(type='GN', num_groups=48)))),
     r"'num_groups': 48.* makes no norm of \d+ channels"),
    ('ResNet', dict(context=dict(op=dict(THETA['op'], norm_cfg=dict(type='LN')))),
     r"norm_cfg=\{'type': 'LN'.*\} is a norm of token sequences"),
], ids=str)
def test_wrong_settings_are_one_clear_error(kind, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(kind, **kwargs)


def test_units_and_networks_show_their_sizes_as_the_hosts_do():
    net = build(depth=50, stem_channels=6)
    assert (net.in_channels, net.stem_channels, net.num_stages) == (3, 6, 4)
    unit = net.layer2[0]
    assert (unit.in_channels, unit.mid_channels, unit.out_channels, unit.stride) == (32, 16, 64, 2)
    assert [norm.num_features for norm in (net.norm1, unit.norm1, unit.norm2, unit.norm3)] == [6, 16, 16, 64]


def test_plugin_layers_of_mmcv_are_built_as_in_mmdet(images):
    plugins = [dict(cfg=dict(type='ContextBlock', ratio=0.25), stages=(False, True, True, True),
                    position='after_conv3'),
               dict(cfg=dict(type='se_backbones.SqueezeExcite', ratio=4), position='after_conv2')]
    with DefaultScope.overwrite_default_scope('mmdet'):
        theirs = MODELS.build(dict(type='mmdet.ResNet', depth=50, base_channels=4, plugins=plugins,
                                   norm_eval=False))
        ours = MODELS.build(dict(type='se_backbones.ResNet', depth=50, base_channels=4, plugins=plugins,
                                 out_indices=(0, 1, 2, 3))).eval()
    theirs.eval()  # their train() returns None
    ours.load_state_dict(theirs.state_dict())
    for a, b in zip(ours(images), theirs(images), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('position', ['after_conv1', 'after_conv2'])
def test_a_plugin_of_a_basic_block_sees_what_its_position_says(position):
    """mmdet's basic blocks take none."""
    unit = build(depth=(1,), block='basic', num_stages=1, base_channels=4, plugins=[
        dict(cfg=dict(type='ContextBlock', ratio=1.), position=position)]).eval().layer1[0]
    (name,), seen, x = unit.plugin_names(), [], torch.randn(2, 4, 8, 8)
    getattr(unit, name).register_forward_hook(lambda module, args, out: seen.append(args[0].clone()))
    unit(x)
    hidden = unit.norm1(unit.conv1(x)).relu()
    (found,) = seen
    torch.testing.assert_close(found, hidden if position == 'after_conv1' else unit.norm2(unit.conv2(hidden)))


@pytest.mark.parametrize('op', [dict(type='se_backbones.GatherExcite', variant='theta', extent=8),
                                dict(type='se_backbones.SqueezeExcite')], ids=str)
def test_operators_are_plugin_layers_of_a_stock_mmdet_resnet(op, images):
    with DefaultScope.overwrite_default_scope('mmdet'):
        # With gammas of zero before them the operators would get no gradient.
        net = MODELS.build(dict(type='ResNet', depth=50, base_channels=4, norm_eval=False, zero_init_residual=False,
                                plugins=[dict(cfg=op, stages=(False, True, True, True), position='after_conv3')]))
    net.init_weights()
    net.train()
    operators = [m for m in net.modules() if isinstance(m, ContextOperator)]
    assert len(operators) == 4 + 6 + 3
    sum(m.square().mean() for m in net(images)).backward()
    assert all(p.grad.any() and p.grad.isfinite().all() for o in operators for p in o.parameters())

"""Operators after the modules of any backbone: exact insertion, the host's keys, and what is done to networks."""

import copy

import mmcv.ops  # noqa: F401
import mmdet.models  # noqa: F401
import mmpretrain.models  # noqa: F401
import mmseg.models  # noqa: F401
import pytest
import torch
from mmengine.model import ExponentialMovingAverage, convert_sync_batchnorm
from mmengine.model.weight_init import PretrainedInit
from mmengine.registry import MODELS
from mmengine.runner import load_checkpoint, save_checkpoint
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from helpers import as_if_trained
from se_backbones.models.loading import MisfitError

SE = dict(type='SqueezeExcite', ratio=4)
THETA_E2 = dict(type='GatherExcite', variant='theta', extent=2)
THETA_PLUS = dict(type='GatherExcite', variant='theta_plus', ratio=4)
SIZE = 64


def hr_stage(*widths, block='BASIC'):
    return dict(num_modules=1, num_branches=len(widths), block=block, num_blocks=(1,) * len(widths),
                num_channels=widths)


TRANSFORMER = dict(embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 2, 2])
HOSTS = {
    'CSPDarknet': (dict(type='mmdet.CSPDarknet', deepen_factor=0.33, widen_factor=0.125), r'stage[234]\.1'),
    'CSPNeXt': (dict(type='mmdet.CSPNeXt', deepen_factor=0.33, widen_factor=0.125, norm_cfg=dict(type='BN')),
                r'stage[234]\.1'),
    'RegNet': (dict(type='mmdet.RegNet', arch='regnetx_400mf'), r'layer[34]\.0'),
    'ResNeSt': (dict(type='mmdet.ResNeSt', depth=50, base_channels=8, stem_channels=8), r'layer[34]\.0'),
    'Res2Net': (dict(type='mmdet.Res2Net', depth=50, base_channels=8), r'layer[34]\.0'),
    'HRNet': (dict(type='mmdet.HRNet', extra=dict(
        stage1=hr_stage(8, block='BOTTLENECK'), stage2=hr_stage(8, 16), stage3=hr_stage(8, 16, 32),
        stage4=hr_stage(8, 16, 32, 64))), r'stage[234]\.0\.branches\.\d\.0'),
    'ConvNeXt': (dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1, 2, 1], channels=[8, 16, 32, 64]),
                      out_indices=[0, 3], gap_before_final_norm=False), r'stages\.\d\.\d'),
    'Swin': (dict(type='mmdet.SwinTransformer', embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2),
                  window_size=4), r'stages\.\d\.blocks\.\d'),
    'PVT': (dict(type='mmdet.PyramidVisionTransformerV2', **TRANSFORMER), r'layers\.\d\.1\.\d'),
    'MiT': (dict(type='mmseg.MixVisionTransformer', **TRANSFORMER), r'layers\.\d\.1\.\d'),
    'EfficientNet': (dict(type='mmdet.EfficientNet', arch='b0', out_indices=(3, 4)), r'layers\.[34]\.0'),
    'MobileNetV2': (dict(type='mmdet.MobileNetV2', widen_factor=0.25), r'layer[1-7]\.0'),
    'timm': (dict(type='mmpretrain.TIMMBackbone', model_name='resnet18', features_only=True),
             r'timm_model\.layer[1-4]\.0'),
    'ResNet': (dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=8), r'layer[12]\.\d'),
}
RESNET = HOSTS['ResNet']


def build(host, op=SE, **kwargs):
    cfg, after = HOSTS[host] if isinstance(host, str) else host
    return MODELS.build(dict(type='se_backbones.WithContext', backbone=dict(cfg), context=dict(op=op, after=after),
                             input_size=SIZE, **kwargs))


def outputs(net, x):
    torch.manual_seed(1)  # drop path
    found = net(x)
    return list(found) if isinstance(found, (tuple, list)) else [found]


# Each operator after maps, sequences and maps with channels last; each host with one of them.
@pytest.mark.parametrize(('host', 'op'), [
    *zip(HOSTS, [SE, THETA_E2, THETA_PLUS] * 5), *((host, op) for host in ('ResNet', 'Swin', 'ConvNeXt')
                                                   for op in (SE, THETA_E2, THETA_PLUS))], ids=str)
def test_inserted_into_trained_weights_it_computes_the_same_bit_for_bit_and_learns(host, op):
    plain, net, x = as_if_trained(MODELS.build(dict(HOSTS[host][0]))), build(host, op), torch.randn(2, 3, SIZE, SIZE)
    assert all(module.training for module in net.modules())  # the pass that measured the maps left no trace
    net.init_weights()
    keys = net.load_state_dict(plain.state_dict(), strict=False)
    assert not keys.unexpected_keys and all(key.startswith('context.') for key in keys.missing_keys)
    assert {key for key in net.state_dict() if not key.startswith('context.')} == set(plain.state_dict())
    for training in (False, True):
        plain.train(training)
        net.train(training)
        found = outputs(net, x)
        for wanted, out in zip(outputs(plain, x), found, strict=True):
            assert torch.equal(wanted, out)
    for operator in net.context.values():
        if hasattr(operator.excite, 'down'):
            nn.init.constant_(operator.excite.down.bias, 5)  # its few hidden channels could all be off
    sum((out * torch.randn_like(out)).sum() for out in outputs(net, x)).backward()
    for operator in net.context.values():
        assert operator.logit_layer.weight.grad.abs().max() > 0
    with torch.no_grad():
        for operator in net.context.values():
            operator.logit_layer.bias.fill_(-2.0)
    assert not torch.equal(outputs(net, x)[-1], found[-1])


@pytest.mark.parametrize('op', [SE, THETA_E2, THETA_PLUS, dict(type='SqueezeExcite', squeeze='max')], ids=str)
def test_after_the_blocks_of_our_own_resnet_it_is_the_placement_post(op):
    op = {'gate': 'double_sigmoid', **op}
    net = as_if_trained(build('ResNet', op))
    other = MODELS.build(dict(RESNET[0], input_size=SIZE, context=dict(op=op, placement='post')))
    for operator in net.context.values():
        nn.init.normal_(operator.logit_layer.weight)
    state = net.state_dict()
    other.load_state_dict({key.replace('context.layer1_', 'layer1.').replace('context.layer2_', 'layer2.').replace(
        '.gather', '.context.post.gather').replace('.excite', '.context.post.excite')
        if key.startswith('context') else key: value for key, value in state.items()})
    x = torch.randn(2, 3, SIZE, SIZE)
    assert torch.equal(net.eval()(x)[-1], other.eval()(x)[-1])


def test_mmengine_loads_a_checkpoint_of_the_host_with_a_line_and_one_of_its_own_without(tmp_path, log):
    plain, net = as_if_trained(MODELS.build(dict(RESNET[0]))), build('ResNet')
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'plain.pth')
    load_checkpoint(net, str(tmp_path / 'plain.pth'))
    line = ('Weights without operators: 3 operators keep their initial values, at gates of 1: the network computes '
            'what its backbone did.')
    assert ('INFO', line) in log
    nn.init.normal_(net.context['layer1_0'].logit_layer.weight)
    torch.save(dict(state_dict=net.state_dict()), tmp_path / 'own.pth')
    log.clear()
    other = build('ResNet')
    load_checkpoint(other, str(tmp_path / 'own.pth'), strict=True)
    assert line not in [text for _, text in log]
    for key, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


@pytest.mark.parametrize('host', [RESNET, (dict(type='mmdet.ResNet', depth=18, base_channels=8), r'layer[12]\.\d')],
                         ids=['ours', 'mmdet'])
@pytest.mark.parametrize(('kind', 'place'), [
    ('Pretrained', 'backbone'), ('Pretrained', 'itself'), ('Pretrained', 'a list'), (PretrainedInit, 'itself'),
    ('mmengine.Pretrained', 'backbone'), ('se_backbones.Pretrained', 'a list')], ids=str)
@pytest.mark.parametrize('own', [False, True], ids=['of the host', 'with operators'])
def test_a_checkpoint_in_init_cfg_is_loaded_however_it_is_spelled(tmp_path, host, own, place, kind):
    net = as_if_trained(build(host) if own else MODELS.build(dict(host[0])))
    if own:
        nn.init.normal_(net.context['layer1_0'].logit_layer.weight)
    torch.save(dict(state_dict=net.state_dict()), tmp_path / 'x.pth')
    init_cfg = dict(type=kind, checkpoint=str(tmp_path / 'x.pth'))
    if place == 'itself':
        other = build(host, init_cfg=init_cfg)
    else:
        init_cfg = init_cfg if place == 'backbone' else [dict(type='Kaiming', layer='Conv2d'), init_cfg]
        other = build((dict(host[0], init_cfg=init_cfg), host[1]))
    other.init_weights()
    for key, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_around_our_own_backbone_settings_are_compared_and_the_input_is_adapted(tmp_path, log):
    net = as_if_trained(MODELS.build(dict(RESNET[0])))
    init_cfg = dict(type='se_backbones.Pretrained', checkpoint=str(tmp_path / 'x.pth'), adapt_input=True)
    torch.save(dict(state_dict=net.state_dict()), tmp_path / 'x.pth')
    with pytest.raises(MisfitError, match="stem_pool='caffe', but .* was trained with stem_pool='torch'"):
        build((dict(RESNET[0], stem_pool='caffe', init_cfg=init_cfg), RESNET[1])).init_weights()
    grey = build((dict(RESNET[0], in_channels=1, init_cfg=init_cfg), RESNET[1]))
    grey.init_weights()
    assert torch.equal(grey.backbone.conv1.weight, net.conv1.weight.sum(1, keepdim=True))
    assert not any('so random' in line for _, line in log)


@pytest.mark.parametrize('norm_cfg', [dict(type='IN'), dict(type='BN', affine=False)], ids=str)
def test_gates_whose_norm_has_no_parameters_are_not_said_to_start_at_1(norm_cfg, log):
    net = build('ResNet', dict(THETA_E2, norm_cfg=norm_cfg))
    assert any('has no parameters that could make its gates 1' in line for _, line in log)
    net.load_state_dict(MODELS.build(dict(RESNET[0])).state_dict(), strict=False)
    assert any('whose gates do not start at 1' in line for _, line in log)


@pytest.mark.parametrize('host', ['ours', 'mmpretrain', 'ViT'])
def test_layer_wise_decay_is_that_of_the_backbone_and_an_operator_has_that_of_its_module(host):
    backbone, after, last = {
        'ours': (dict(type='se_backbones.ResNet', depth=50, base_channels=4), r'layer4\.\d', 'layer4.2'),
        'mmpretrain': (dict(type='mmpretrain.ResNet', depth=50, base_channels=4, stem_channels=4), r'layer4\.\d',
                       'layer4.2'),
        'ViT': (dict(type='mmpretrain.VisionTransformer', img_size=SIZE, arch=dict(
            embed_dims=8, num_layers=3, num_heads=2, feedforward_channels=8)), r'layers\.\d', 'layers.2')}[host]
    plain, net = MODELS.build(dict(backbone)), build((backbone, after))
    for name in ('head.fc.weight', *(f'backbone.{name}' for name, _ in plain.named_parameters())):
        assert net.get_layer_depth(name.replace('backbone.', 'backbone.backbone.'), 'backbone.') == \
            plain.get_layer_depth(name, 'backbone.'), name
    parameter = next(name for name, _ in plain.named_parameters() if name.startswith(last))
    assert net.get_layer_depth(f'backbone.context.{last.replace(".", "_")}.excite.up.weight', 'backbone.') == \
        plain.get_layer_depth(f'backbone.{parameter}', 'backbone.')


def test_after_a_module_without_parameters_an_operator_has_the_rate_of_what_is_around_it():
    net = build((dict(type='se_backbones.ResNet', depth=(1, 1, 1), base_channels=4), r'maxpool|layer3\.0\.downsample'))
    assert net.get_layer_depth('backbone.context.maxpool.excite.up.weight', 'backbone.') == (0, 5)
    relu = build((dict(type='mmpretrain.VGG', depth=11), r'features\.1'))
    assert relu._parameter_of('features.1') == 'features.0.conv.weight'


def test_a_backbone_without_layer_wise_decay_is_named():
    with pytest.raises(NotImplementedError, match='CSPDarknet has no get_layer_depth'):
        build('CSPDarknet').get_layer_depth('backbone.backbone.stem.conv.weight', 'backbone.')


@pytest.mark.parametrize('door', ['load_state_dict', 'load_checkpoint', 'Pretrained'])
@pytest.mark.parametrize(('ratio', 'lost', 'words'), [
    (4, 'up.bias', 'holds 3 of the 4 tensors of the operator context.layer1_0'),
    (2, 'nothing', r'context.op.ratio: context.layer1_0 has a hidden width of 16 .*\(ratio 4\)')])
def test_a_part_of_an_operator_and_one_of_another_ratio_are_errors(tmp_path, door, ratio, lost, words):
    path = str(tmp_path / 'other.pth')
    torch.save({key: value for key, value in build('ResNet').state_dict().items() if not key.endswith(lost)}, path)
    op = dict(SE, ratio=ratio)
    with pytest.raises(MisfitError, match=words):
        if door == 'load_state_dict':
            build('ResNet', op).load_state_dict(torch.load(path), strict=False)
        elif door == 'load_checkpoint':
            load_checkpoint(build('ResNet', op), path)
        else:
            build('ResNet', op, init_cfg=dict(type='Pretrained', checkpoint=path)).init_weights()


@pytest.mark.parametrize('host', ['MobileNetV2', 'ResNet'])
@pytest.mark.parametrize(('theirs', 'ours', 'words'), [
    (dict(SE, squeeze='max'), SE, "squeeze='avg', gate='double_sigmoid', but {} was trained with squeeze='max', gate="),
    (dict(type='GatherExcite', extent=4), dict(type='GatherExcite', extent=8),
     "extent=8, gate='double_sigmoid', but {} was trained with variant='theta_minus', extent=4, gate=")])
def test_settings_of_operators_that_no_tensor_shows_are_compared(tmp_path, host, theirs, ours, words):
    path = str(tmp_path / 'other.pth')
    save_checkpoint(dict(state_dict=get_state_dict(build(host, theirs))), path)  # as a Runner does
    load_checkpoint(build(host, theirs), path)
    with pytest.raises(MisfitError) as error:
        load_checkpoint(build(host, ours), path)
    assert words.format('the checkpoint') in str(error.value)
    init_cfg = dict(type='Pretrained', checkpoint=path)
    with pytest.raises(MisfitError) as error:
        build(host, ours, init_cfg=init_cfg).init_weights()
    assert words.format(path) in str(error.value) and 'strict=False' in str(error.value)


def test_settings_that_differ_are_a_warning_where_a_config_says_so(tmp_path, log):
    torch.save(build('ResNet', dict(SE, squeeze='max')).state_dict(), tmp_path / 'max.pth')
    init_cfg = dict(type='se_backbones.Pretrained', checkpoint=str(tmp_path / 'max.pth'), strict=False)
    build('ResNet', init_cfg=init_cfg).init_weights()
    assert any(level == 'WARNING' and "WithContext has context.layer1_0: squeeze='avg'" in line for level, line in log)


def test_without_its_operators_our_backbone_is_known_by_its_settings(tmp_path):
    torch.save(build((dict(RESNET[0], stem_pool='caffe'), RESNET[1])).state_dict(), tmp_path / 'x.pth')
    with pytest.raises(MisfitError, match="stem_pool='torch', but .* was trained with stem_pool='caffe'"):
        load_checkpoint(MODELS.build(dict(RESNET[0])), str(tmp_path / 'x.pth'))


def test_an_operator_of_another_width_is_named(tmp_path, log):
    path = str(tmp_path / 'other.pth')
    wide = MODELS.build(dict(HOSTS['ResNet'][0], base_channels=16))
    state = {**build('ResNet').state_dict(), **wide.state_dict()}
    torch.save(state, path)
    ours = dict(RESNET[0], base_channels=16), RESNET[1]
    build(ours, init_cfg=dict(type='Pretrained', checkpoint=path)).init_weights()
    assert any(level == 'WARNING' and 'so random: context.layer1_0.excite.down.weight' in line for level, line in log)


def test_a_plain_sigmoid_and_theta_minus_are_said_to_change_the_function(log):
    build('ResNet', dict(SE, gate='sigmoid'))
    assert any("has gate='sigmoid': it does not start at 1" in line for _, line in log)
    build('ResNet', dict(type='GatherExcite'))
    assert any('has no parameters that could make its gates 1: after' in line for _, line in log)


def test_copies_have_operators_of_their_own():
    net, x = build('ResNet').eval(), torch.randn(2, 3, SIZE, SIZE)
    other, before = copy.deepcopy(net), net(x)[-1]
    with torch.no_grad():
        for operator in other.context.values():
            operator.logit_layer.bias.fill_(-3.0)
    assert torch.equal(net(x)[-1], before) and not torch.equal(other(x)[-1], before)


def test_a_running_average_takes_its_operators_along():
    net, x = build('ResNet').eval(), torch.randn(2, 3, SIZE, SIZE)
    average = ExponentialMovingAverage(net, momentum=0.5).eval()
    with torch.no_grad():
        for operator in net.context.values():
            operator.logit_layer.bias.fill_(-3.0)
    before = average(x)[-1]
    for _ in range(40):
        average.update_parameters(net)
    torch.testing.assert_close(average(x)[-1], net(x)[-1])
    assert not torch.allclose(before, net(x)[-1])


def test_it_is_pickled_as_a_whole(tmp_path):
    net, x = build('ResNet').eval(), torch.randn(2, 3, SIZE, SIZE)
    torch.save(net, tmp_path / 'whole.pth')
    assert torch.equal(torch.load(tmp_path / 'whole.pth', weights_only=False)(x)[-1], net(x)[-1])


def test_synchronised_norms_leave_the_operators_where_they_are():
    net, x = build('ResNet', THETA_E2).eval(), torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        for operator in net.context.values():
            operator.logit_layer.bias.fill_(-1.0)
    wanted = net(x)[-1]
    converted = convert_sync_batchnorm(net)
    assert any(isinstance(module, nn.SyncBatchNorm) for module in converted.context.modules())
    torch.testing.assert_close(converted.eval()(x)[-1], wanted)


def test_the_host_freezes_and_the_operators_learn():
    net = build((dict(type='mmdet.ResNet', depth=18, base_channels=8, frozen_stages=4, norm_eval=True),
                 r'layer[1-4]\.1')).train()
    assert all(parameter.requires_grad for parameter in net.context.parameters())
    assert not any(parameter.requires_grad for parameter in net.backbone.layer4.parameters())
    assert not net.layer1[0].bn1.training and net.context.training and net.training


@pytest.mark.parametrize('host', ['ResNet', 'Swin'])
def test_recomputed_blocks_are_gated_alike(host):
    cfg, after = HOSTS[host]
    net, x = build((cfg, after)), torch.randn(2, 3, SIZE, SIZE)
    other = build((dict(cfg, with_cp=True), after))
    other.load_state_dict(net.state_dict())
    grads = []
    for network in (net, other):
        torch.manual_seed(0)
        network.train()
        network(x)[-1].square().mean().backward()
        grads.append(network.context[next(iter(network.context))].logit_layer.weight.grad)
    torch.testing.assert_close(*grads)


def test_amp():
    net = build('ResNet')
    with torch.autocast('cpu', torch.bfloat16):
        out = net(torch.randn(2, 3, SIZE, SIZE))[-1]
    out.float().sum().backward()
    assert net.context['layer1_0'].logit_layer.weight.grad.abs().max() > 0


def test_exported_networks_hold_the_operators():
    net, x = build('ResNet').eval(), torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        for operator in net.context.values():
            operator.logit_layer.bias.fill_(-1.0)
    wanted = net(x)[-1]
    if torch.__version__ >= '2.5':  # before, torch.export wants the keys of a state dict to be the names of parameters
        torch.testing.assert_close(torch.export.export(net, (x,)).module()(x)[-1], wanted)
    torch.testing.assert_close(torch.jit.trace(net, x)(x)[-1], wanted)


def test_dynamo_takes_the_operators_in():
    net, x, graphs = build('ResNet').eval(), torch.randn(1, 3, SIZE, SIZE), []
    with torch.no_grad():
        for operator in net.context.values():
            operator.logit_layer.bias.fill_(-1.0)

        def backend(graph, inputs):
            graphs.append(graph)
            return graph.forward
        torch.testing.assert_close(torch.compile(net, backend=backend)(x)[-1], net(x)[-1])
    assert len(graphs) == 1


@pytest.mark.parametrize(('context', 'text'), [
    (dict(op=SE, after='layer9'), r"context.after='layer9' names no module of ResNet"),
    (dict(op=SE, after=''), r"context.after='' names no module of ResNet, which has conv1.*[^?]$"),
    (dict(op=SE, after=5), r'context.after must be names of modules, a list or a regular expression, got 5'),
    (dict(op=SE, after=None), r'context.after must be names of modules, .* got None'),
    (dict(op=SE, after=['layer1.0', 'layr2.0']), "Did you mean 'layer2.0'"),
    (dict(op=SE, after='layer1['), 'is not a regular expression'),
    (dict(op=SE), 'must be a dict with op=.* and after='),
    (dict(op=SE, after='layer1.0', placement='post'), 'placement'),
    (dict(op=SE, after='layer1.0.bn1'), r"names 'layer1.0.bn1', a BatchNorm2d: conversions replace norms"),
    ([dict(op=SE, after='layer1.0'), dict(op=THETA_E2, after=['layer1.0'])], r"both name 'layer1.0'"),
    (dict(op=SE, after='layer1.0.context'), r"names 'layer1.0.context', which runs 0 times"),
    (dict(op=dict(type='SqueezeExcite', ration=4), after='layer1.0'), 'ration'),
    ([], 'a dict or a list of dicts'), (None, 'a dict or a list of dicts, got None'),
], ids=str)
def test_what_cannot_be_is_one_line(context, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='se_backbones.WithContext', backbone=dict(RESNET[0]), context=context, input_size=SIZE))


def test_an_option_of_the_inner_backbone_is_sent_there():
    with pytest.raises(ValueError, match="no option 'with_cp'; SwinTransformer has: .*, with_cp=True"):
        build('Swin', with_cp=True)


def test_weights_that_an_mmseg_model_hands_on_are_those_of_the_backbone(tmp_path):
    """mmseg's models write their `pretrained` into the backbone's config."""
    plain = MODELS.build(dict(HOSTS['HRNet'][0]))
    torch.save(plain.state_dict(), tmp_path / 'a.pth')
    net = build('HRNet', pretrained=str(tmp_path / 'a.pth'))
    net.init_weights()
    for name, value in plain.state_dict().items():
        assert torch.equal(net.backbone.state_dict()[name], value), name


@pytest.mark.parametrize('backbone', [
    dict(type='mmpretrain.LeViT', arch='128s', out_indices=(2,)),
    dict(type='mmpretrain.EfficientFormer', arch='l1')], ids=str)
def test_a_backbone_that_prepares_itself_in_eval_mode_takes_operators(backbone):
    net = MODELS.build(dict(type='se_backbones.WithContext', backbone=backbone, input_size=224,
                            context=dict(op=SE, after='patch_embed')))
    assert all(module.training for module in net.modules() if not isinstance(module, nn.Identity))
    net.eval()
    plain = net.backbone
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        gated = net(image)
        plain.patch_embed._forward_hooks.clear()
        assert torch.equal(gated[-1], plain(image)[-1])


def test_an_option_that_is_not_there_is_answered_with_the_near_one():
    with pytest.raises(ValueError, match="WithContext has no option 'contxt'; it takes .* Did you mean 'context'"):
        MODELS.build(dict(type='se_backbones.WithContext', backbone=dict(RESNET[0]), context=[], contxt={}))


class Odd(nn.Module):
    """Calls a layer twice, returns a dict from another, and has its channels last in a third."""

    def __init__(self):
        super().__init__()
        self.conv, self.twice, self.named, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), Named(), Last()

    def forward(self, x):
        return self.last(self.named(self.twice(self.twice(self.conv(x))))['x'])


class Named(nn.Module):
    def forward(self, x):
        return dict(x=x)


class Last(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


@pytest.mark.parametrize(('after', 'text'), [
    ('twice', "names 'twice', which runs 2 times"), ('named', "names 'named', whose output is dict"),
    ('last', 'has its channels last')])
def test_modules_that_no_operator_can_follow_are_refused(after, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='se_backbones.WithContext', backbone=dict(type=Odd), context=dict(op=SE, after=after)))


def test_local_operators_need_to_know_the_shape_of_a_sequence():
    host = dict(type='mmpretrain.VisionTransformer', arch=dict(
        embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=16), img_size=SIZE, patch_size=16)
    with pytest.raises(ValueError, match='is not told its hw_shape'):
        build((host, r'layers\.1'), THETA_E2)
    net, x = build((host, r'layers\.1')).eval(), torch.randn(1, 3, SIZE, SIZE)
    plain = MODELS.build(host)
    plain.eval()
    plain.load_state_dict(net.state_dict(), strict=False)
    assert torch.equal(net(x)[-1], plain(x)[-1])

"""Function-preserving insertion: the network with operators computes bit for bit what the plain one did."""

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from mmengine.registry import MODELS
from torch import nn

from helpers import as_if_trained, assert_identical, init_from

NARROW = dict(type='se_backbones.ResNet', depth=(2, 2, 1, 1), base_channels=8, input_size=(65, 49))
SE = dict(type='SqueezeExcite', ratio=4)
THETA_E8 = dict(type='GatherExcite', variant='theta', extent=8)
EXACT_OPS = [SE, dict(SE, squeeze='max', bias=False), dict(SE, squeeze='none'), THETA_E8,
             dict(type='GatherExcite', variant='theta'), dict(type='GatherExcite', variant='theta_plus', extent=2)]


@pytest.fixture
def plain(tmp_path):
    """Return a function that makes a plain network and the path of its checkpoint."""
    def make(**kwargs):
        net = as_if_trained(MODELS.build(dict(NARROW, **kwargs)))
        return net, init_from(dict(state_dict=net.state_dict()), tmp_path)['checkpoint']
    return make


def inserted(path, init=None, **kwargs):
    net = MODELS.build(dict(NARROW, init_cfg=init or dict(type='Pretrained', checkpoint=path), **kwargs))
    net.init_weights()
    return net


# In every architecture and slot: tests/models/backbones/test_every_backbone.py.
@pytest.mark.parametrize('op', EXACT_OPS, ids=str)
def test_insertion_is_exact_and_with_the_fused_tail_up_to_rounding(plain, images, monkeypatch, op):
    net, path = plain()
    assert_identical(net, inserted(path, context=dict(op=op)), images)
    monkeypatch.setenv('SE_BACKBONES_TAIL', 'fused')
    other = inserted(path, context=dict(op=op))
    for training in (False, True):
        for wanted, found in zip(net.train(training)(images), other.train(training)(images), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kwargs', [
    dict(norm_cfg=dict(type='GN', num_groups=2)), dict(deep_stem=True, avg_down=True),
    dict(norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True, frozen_stages=1), dict(style='caffe'),
    dict(style='aa'),
], ids=str)
def test_insertion_is_exact_in_every_kind_of_network(plain, images, kwargs):
    net, path = plain(**kwargs)
    assert_identical(net, inserted(path, context=dict(op=THETA_E8), **kwargs), images)


@pytest.mark.parametrize('placement', ['standard', 'identity', 'post'])
@pytest.mark.parametrize('op', [SE, THETA_E8], ids=['SE', 'GE'])
def test_a_gate_of_1_needs_no_layer_to_double(plain, images, op, placement):
    net, path = plain()
    context = dict(op=dict(op, gate='double_sigmoid'), placement=placement)
    assert_identical(net, inserted(path, context=context), images)


def test_two_slots_of_one_block_are_inserted_together(plain, images):
    net, path = plain()
    assert_identical(net, inserted(path, context=[dict(op=SE), dict(op=THETA_E8, placement='3x3')]), images)


def test_identity_slot_is_exact_on_a_projection(plain, images):
    net, path = plain()
    stages = ((True, False), (True, False), True, True)
    assert_identical(net, inserted(path, context=dict(op=SE, placement='identity', stages=stages)), images)


@pytest.mark.parametrize('init', [
    dict(type='Pretrained'), dict(type=PretrainedInit), dict(type='se_backbones.Pretrained'),
    dict(type='se_backbones.Pretrained', insertion='preserve'),
    [dict(type='Kaiming', layer='Conv2d'), dict(type='Pretrained')],
    [dict(type='se_backbones.Pretrained'), dict(type='Constant', val=7, layer='BatchNorm2d')],
], ids=['name', 'class', 'ours', 'explicit', 'list', 'list-loader-first'])
def test_whatever_loads_runs_last(plain, images, init):
    """Dict and list, mmengine's name and class and ours: nothing, zero-init included, overwrites loaded weights."""
    net, path = plain()
    cfgs = [dict(cfg, checkpoint=path) if 'Pretrained' in str(cfg['type']) else cfg
            for cfg in (init if isinstance(init, list) else [init])]
    assert_identical(net, inserted(path, cfgs if isinstance(init, list) else cfgs[0], context=dict(op=SE)), images)


class PluginWithInit(BaseModule):
    """A child with an init_cfg of its own."""

    def __init__(self, in_channels):
        super().__init__(dict(type='Constant', val=3, layer='Conv2d'))
        self.conv = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x):
        return self.conv(x)


def test_children_with_their_own_initialisation_do_not_undo_the_loading(plain):
    plugins = [dict(cfg=dict(type=PluginWithInit), position='after_conv1')]
    net, path = plain(plugins=plugins)
    loaded = inserted(path, plugins=plugins, context=dict(op=SE))
    assert torch.equal(loaded.layer1[0].plugin_with_init.conv.weight, net.layer1[0].plugin_with_init.conv.weight)


def test_whole_detector_like_model_inserts_into_its_backbone(plain, images, tmp_path):
    """The initialiser on a parent of another library: its children's own init runs first and does not undo it."""
    net, conv = plain()[0], ConvModule(1, 1, 3)  # which does not say whether it was initialised
    torch.save({f'backbone.{k}': v for k, v in net.state_dict().items()}
               | {f'conv.{k}': v for k, v in conv.state_dict().items()}, tmp_path / 'detector.pth')

    class Detector(BaseModule):
        def __init__(self):
            super().__init__(dict(type='se_backbones.Pretrained', checkpoint=str(tmp_path / 'detector.pth')))
            self.backbone = MODELS.build(dict(NARROW, context=dict(op=THETA_E8)))
            self.conv = ConvModule(1, 1, 3)
    detector = Detector()
    detector.init_weights()
    assert_identical(net, detector.backbone, images)
    assert torch.equal(detector.conv.conv.weight, conv.conv.weight)


def test_one_line_says_how_many_operators_were_inserted(plain, log):
    _, path = plain()
    inserted(path, context=dict(op=THETA_E8, stages=(False, True, True, True)))
    assert sum('inserted 4 operators into the plain weights' in line for _, line in log) == 1


def test_weights_with_operators_load_as_they_are(images, tmp_path):
    source = MODELS.build(dict(NARROW, context=dict(op=THETA_E8)))
    as_if_trained(source)
    torch.save(source.state_dict(), tmp_path / 'ge.pth')
    assert_identical(source, inserted(str(tmp_path / 'ge.pth'), context=dict(op=THETA_E8)), images)


def test_stages_without_operators_in_the_checkpoint_are_inserted_beside_those_with(images, tmp_path):
    some, all_ = (False, False, True, True), (True,) * 4
    source = MODELS.build(dict(NARROW, context=dict(op=SE, stages=some)))
    as_if_trained(source)
    torch.save(source.state_dict(), tmp_path / 'se.pth')
    assert_identical(source, inserted(str(tmp_path / 'se.pth'), context=dict(op=SE, stages=all_)), images)


def test_part_of_one_operators_tensors_is_an_error(tmp_path):
    state = MODELS.build(dict(NARROW, context=dict(op=SE))).state_dict()
    del state['layer2.0.context.standard.excite.up.bias']
    torch.save(state, tmp_path / 'part.pth')
    with pytest.raises(ValueError, match=r'holds 3 of the 4 tensors of .*layer2.0.context.standard; .*up.bias'):
        inserted(str(tmp_path / 'part.pth'), context=dict(op=SE))


@pytest.mark.parametrize(('context', 'reason'), [
    (dict(op=SE, placement='post'), 'the gate acts on the sum with the shortcut'),
    (dict(op=SE, placement='identity'), 'the shortcut of this block has no parameters'),
    (dict(op=dict(SE, gate='tanh')), 'no layer before a tanh gate'),
    (dict(op=dict(SE, gate='relu')), 'no layer before a relu gate'),
])
def test_impossible_insertion_is_refused_with_the_way_out(plain, context, reason):
    _, path = plain()
    with pytest.raises(ValueError, match=rf'{reason}.*insertion="fresh"'):
        inserted(path, context=context)
    inserted(path, context=dict(context, insertion='fresh'))
    fresh = dict(type='se_backbones.Pretrained', checkpoint=path, insertion='fresh')
    inserted(path, fresh, context=context)
    # The initialiser's word counts.
    preserve = dict(fresh, insertion='preserve')
    with pytest.raises(ValueError, match=reason):
        inserted(path, preserve, context=dict(context, insertion='fresh'))


def test_a_plugin_between_norm_and_gate_is_refused(plain):
    plugins = [dict(cfg=dict(type=PluginWithInit), position='after_conv3')]
    _, path = plain(plugins=plugins)
    with pytest.raises(ValueError, match="plugin 'plugin_with_init' stands between"):
        inserted(path, plugins=plugins, context=dict(op=SE))


def test_fresh_insertion_keeps_weights_and_warns(plain, log):
    net, path = plain()
    ours = inserted(path, dict(type='se_backbones.Pretrained', checkpoint=path, insertion='fresh'),
                    context=dict(op=SE))
    assert torch.equal(ours.layer1[0].bn3.weight, net.layer1[0].bn3.weight)
    assert any('6 operators start with fresh gates' in line for _, line in log)


def test_theta_minus_loads_with_a_warning(plain, log):
    net, path = plain()
    ours = inserted(path, context=dict(op=dict(type='GatherExcite', extent=8)))
    assert torch.equal(ours.layer1[0].bn3.weight, net.layer1[0].bn3.weight)
    assert any('6 operators without parameters (theta_minus)' in line for _, line in log)


def test_a_checkpoint_of_something_else_is_refused(plain, tmp_path):
    _, path = plain()
    with pytest.raises(ValueError, match=r"prefix='neck': no key of .* they start with bn1., conv1., layer1."):
        inserted(path, dict(type='Pretrained', checkpoint=path, prefix='neck'), context=dict(op=SE))
    torch.save({'backbone.conv1.weight': torch.zeros(8, 3, 7, 7)}, tmp_path / 'whole.pth')
    with pytest.raises(ValueError, match=r'does not fit ResNet: none of its .* tensors is there; the keys start with '
                                         r'backbone.. .*needs prefix="backbone."'):
        inserted(str(tmp_path / 'whole.pth'), context=dict(op=SE))


def test_prefix_and_module_prefix_are_stripped(plain, images, tmp_path):
    net, _ = plain()
    torch.save({f'module.backbone.{k}': v for k, v in net.state_dict().items()}, tmp_path / 'ddp.pth')
    for prefix in ('backbone.', 'module.backbone', 'module.backbone.'):  # the last as mmengine wants it
        init = dict(type='Pretrained', checkpoint=str(tmp_path / 'ddp.pth'), prefix=prefix)
        assert_identical(net, inserted('', init, context=dict(op=SE)), images)


@pytest.mark.parametrize('norm_cfg', [dict(type='IN'), dict(type='BN', affine=False)], ids=str)
def test_a_gate_whose_norm_has_no_parameters_cannot_be_inserted_exactly(norm_cfg, tmp_path):
    config = dict(type='se_backbones.PreActResNet', depth=(1, 1, 1), block='basic', base_channels=4, norm_cfg=norm_cfg)
    init = init_from(dict(state_dict=MODELS.build(config).state_dict()), tmp_path)
    theta = dict(type='GatherExcite', variant='theta', extent=2)
    for op in (theta, dict(theta, gate='double_sigmoid')):
        with pytest.raises(ValueError, match='the last layer of its gate has no parameters that could be zero'):
            MODELS.build(dict(config, init_cfg=init, context=dict(op=op))).init_weights()


def test_loading_never_changes_requires_grad(plain):
    _, path = plain()
    kwargs = dict(frozen_stages=1, norm_cfg=dict(type='BN', requires_grad=False), context=dict(op=THETA_E8))
    before = {k: p.requires_grad for k, p in MODELS.build(dict(NARROW, **kwargs)).named_parameters()}
    assert before == {k: p.requires_grad for k, p in inserted(path, **kwargs).named_parameters()}


def test_norm_eval_without_weights_warns_and_with_weights_does_not(plain, log):
    _, path = plain()
    MODELS.build(dict(NARROW, norm_eval=True)).init_weights()
    assert sum('norm_eval=True and nothing was loaded' in line for _, line in log) == 1
    inserted(path, norm_eval=True)
    assert sum('norm_eval=True and nothing was loaded' in line for _, line in log) == 1


@pytest.mark.parametrize('op', [SE, THETA_E8, dict(type='GatherExcite', variant='theta_plus', extent=4)], ids=str)
def test_every_inserted_gate_moves_in_training(plain, op):
    images = torch.randn(4, 3, 160, 160)  # so that no gather norm sees two values only, whose gradient vanishes
    _, path = plain()
    net = inserted(path, context=dict(op=op), frozen_stages=1, norm_eval=True).train()
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-3)
    start = {k: v.clone() for k, v in net.state_dict().items() if '.context.' in k}
    for _ in range(3):
        optimizer.zero_grad()
        net(images)[0].square().mean().backward()
        optimizer.step()
    last = ('excite.up.weight', 'excite.down.weight') if 'ratio' in op or op.get('variant') == 'theta_plus' else (
        'gather.bn3.weight', 'gather.conv1.weight')
    still = [k for k, v in net.state_dict().items() if k in start and k.endswith(last) and torch.equal(v, start[k])]
    assert not still

"""The C4 shared head."""

import pytest
import torch
from mmcv.cnn import ConvWS2d
from mmengine.registry import MODELS, DefaultScope

SE = dict(op=dict(type='SqueezeExcite', ratio=4))
THETA = dict(op=dict(type='GatherExcite', variant='theta', extent=8))


def build(**kwargs):
    return MODELS.build(dict(dict(type='se_backbones.ResLayer', depth=50), **kwargs))


def test_plain_head_has_mmdets_keys_and_output():
    with DefaultScope.overwrite_default_scope('mmdet'):
        theirs = MODELS.build(dict(type='mmdet.ResLayer', depth=50, style='caffe'))
    ours = build(style='caffe')
    ours.load_state_dict(theirs.state_dict())
    theirs.eval()
    x = torch.randn(2, 1024, 14, 14)
    torch.testing.assert_close(ours.eval()(x), theirs(x))


def test_stride_and_dilation_are_mmdets():
    """As on a C4 map that keeps its resolution: the head of a network with dilated convolutions."""
    given = dict(depth=50, stride=1, dilation=2, style='pytorch')
    with DefaultScope.overwrite_default_scope('mmdet'):
        theirs = MODELS.build(dict(type='mmdet.ResLayer', **given))
    ours = build(**given)
    ours.load_state_dict(theirs.state_dict())
    theirs.eval()
    x = torch.randn(1, 1024, 7, 9)
    out = ours.eval()(x)
    assert out.shape == (1, 2048, 7, 9)
    torch.testing.assert_close(out, theirs(x))


def test_the_convolutions_are_of_the_kind_that_the_config_names():
    head = build(depth=(1, 1, 1, 2), base_channels=8, conv_cfg=dict(type='ConvWS'))
    assert all(isinstance(unit.conv2, ConvWS2d) for unit in head.layer4)


def test_backbone_and_head_load_their_parts_of_one_plain_checkpoint_exactly(tmp_path):
    kwargs = dict(depth=(1, 1, 1, 2), base_channels=8)
    plain = MODELS.build(dict(type='se_backbones.ResNet', **kwargs)).eval()
    for module in plain.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
    torch.save(plain.state_dict(), tmp_path / 'plain.pth')
    init = dict(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'plain.pth')))
    trunk = MODELS.build(dict(type='se_backbones.ResNet', num_stages=3, context=THETA, **kwargs, **init))
    head = build(context=THETA, **kwargs, **init)
    for module in (trunk, head):
        module.init_weights()
        module.eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(head(trunk(images)[0]), plain(images)[0])


def test_no_proposals_pass_through():
    head = build(depth=(1, 1, 1, 1), base_channels=8, context=THETA).train()
    out = head(torch.empty(0, 128, 14, 14))
    assert out.shape == (0, 256, 7, 7)


def test_one_proposal_in_training_uses_running_statistics():
    head = build(depth=(1, 1, 1, 1), base_channels=8, context=THETA).train()
    assert head(torch.randn(1, 128, 14, 14)).isfinite().all()


def test_global_theta_kernel_is_the_roi_maps():
    op = dict(type='GatherExcite', variant='theta')
    head = build(depth=(1, 1, 1, 1), base_channels=8, context=dict(op=op), input_size=14)
    assert head.layer4[0].context['standard'].gather.map_size == (7, 7)


def test_norm_eval_reaches_the_norms_but_not_the_gates():
    head = build(depth=(1, 1, 1, 1), base_channels=8, context=THETA, norm_cfg=dict(type='BN', requires_grad=False))
    assert head.train() is head
    assert not head.layer4[0].bn1.training
    assert head.layer4[0].context['standard'].gather.bn1.training
    assert head.layer4[0].context['standard'].gather.bn1.weight.requires_grad


def test_deformable_convolutions_and_recomputation_reach_the_units():
    head = build(depth=(1, 1, 1, 2), base_channels=8, dcn=dict(type='DCNv2', deform_groups=1), with_cp=True)
    assert [type(unit.conv2).__name__ for unit in head.layer4] == ['ModulatedDeformConv2dPack'] * 2
    assert all(unit.with_cp for unit in head.layer4)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(stage=4), r'stage must be from 1 to 3'),
    (dict(context=dict(SE, stages=(True,) * 4)), r'stages must have one entry for each of the 1 stages'),
    (dict(style='torch'), r'style must be one of'),
])
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)

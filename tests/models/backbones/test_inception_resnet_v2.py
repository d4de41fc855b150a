"""Inception-ResNet-v2 equals timm's with its weights; operators act on the branch before its scale."""

import pytest
import timm
import torch

from helpers import as_if_trained, init_from
from se_backbones.models.backbones.inception_resnet_v2 import InceptionResNetV2

SE = dict(op=dict(type='SqueezeExcite'))
# The only names of timm's that we lack: its classifier. All others are the same.
HEAD = ('classif.weight', 'classif.bias')
LAYERS = ('conv2d_1a', 'conv2d_2a', 'conv2d_2b', 'maxpool_3a', 'conv2d_3b', 'conv2d_4a', 'maxpool_5a', 'mixed_5b',
          'repeat', 'mixed_6a', 'repeat_1', 'mixed_7a', 'repeat_2', 'block8', 'conv2d_7b')
STAGE_ENDS = ('conv2d_4a', 'repeat', 'repeat_1', 'conv2d_7b')


def timm_stages(oracle, x):
    maps = []
    for name in LAYERS:
        x = getattr(oracle, name)(x)
        if name in STAGE_ENDS:
            maps.append(x)
    return maps


def test_plain_network_equals_timm():
    oracle = timm.create_model('inception_resnet_v2', pretrained=False).eval()
    as_if_trained(oracle)
    ours = InceptionResNetV2(out_indices=(0, 1, 2, 3)).eval()
    result = ours.load_state_dict(oracle.state_dict(), strict=False)
    assert not result.missing_keys
    assert sorted(result.unexpected_keys) == sorted(HEAD)
    for size in ((299, 299), (131, 96)):
        images = torch.randn(1, 3, *size)
        with torch.no_grad():
            for a, b in zip(ours(images), timm_stages(oracle, images), strict=True):
                assert a.shape == b.shape
                assert (a - b).abs().max() <= 2e-5 * b.abs().max()  # float32 rounding


def test_parameter_counts():
    with torch.device('meta'):
        plain, gated = InceptionResNetV2(), InceptionResNetV2(context=dict(op=dict(type='SqueezeExcite', bias=False)))
    classifier = 1000 * 1537
    assert sum(p.numel() for p in plain.parameters()) + classifier == 55_843_464  # timm's
    # two matrices C x C // 16 in each block: 10 of 320, 20 of 1088, 10 of 2080
    added = 10 * 2 * 320 * 20 + 20 * 2 * 1088 * 68 + 10 * 2 * 2080 * 130
    assert sum(p.numel() for p in gated.parameters()) + classifier == 55_843_464 + added


def test_gate_acts_after_the_up_projection_and_before_scale_and_sum():
    net = InceptionResNetV2((1, 1, 2), SE, widen_factor=1 / 16).eval()
    for unit, scale, relu in ((net.repeat[0], 0.17, True), (net.repeat_1[0], 0.1, True), (net.repeat_2[0], 0.2, True),
                              (net.block8, 1.0, False)):
        x = torch.randn(2, unit.conv2d.out_channels, 9, 9)
        branches = [module for name, module in unit.named_children() if name.startswith('branch')]
        projected = unit.conv2d(torch.cat([branch(x) for branch in branches], 1))
        expected = x + scale * unit.context['standard'](projected)
        torch.testing.assert_close(unit(x), expected.relu() if relu else expected)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=(10, 20)), r'depth must be a tuple with the blocks of stages 1, 2 and 3.*got \(10, 20\)'),
    (dict(input_size=64), r'input_size must be at least 75.* got 64'),
    (dict(drop_path_rate=1.0), r'drop_path_rate must be at least 0 and below 1, got 1.0'),
    (dict(context=dict(SE, placement='3x3')),
     r"context.placement must be one of 'standard', 'pre', 'post', 'identity', got '3x3'"),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        InceptionResNetV2(**kwargs)


@pytest.mark.parametrize(('placement', 'reason'), [
    ('post', 'the gate acts on the sum with the shortcut'),
    ('identity', 'the shortcut of this block has no parameters'),
])
def test_insertion_is_refused_beside_the_branch(placement, reason, tmp_path):
    init = init_from(InceptionResNetV2((1, 1, 1), widen_factor=1 / 16), tmp_path)
    net = InceptionResNetV2((1, 1, 1), dict(SE, placement=placement), widen_factor=1 / 16, init_cfg=init)
    with pytest.raises(ValueError, match=rf'{reason}.*placement="standard"'):
        net.init_weights()


def test_drop_path_drops_branches_in_training_only():
    net = InceptionResNetV2((1, 1, 2), widen_factor=1 / 16, drop_path_rate=0.999)
    x = torch.rand(64, net.block8.conv2d.out_channels, 3, 3)
    assert (net.block8(x) == x).flatten(1).all(1).float().mean() > 0.9
    assert not (net.block8.eval()(x) == x).flatten(1).all(1).any()

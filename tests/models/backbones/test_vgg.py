"""VGG equals mmpretrain's with its weights; the SE paper's counts; the fully connected head."""

import glob
import os

import mmpretrain
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from helpers import as_if_trained
from se_backbones.models.backbones.vgg import VGG

SE = dict(op=dict(type='SqueezeExcite'))


def assert_same(a, b):
    assert a.shape == b.shape
    assert (a - b).abs().max() <= 2e-5 * b.abs().max()  # float32 rounding


@pytest.mark.parametrize('kwargs', [
    dict(depth=16, norm_cfg=dict(type='BN')), dict(depth=13, norm_cfg=None, with_last_pool=False),
    dict(depth=11, norm_cfg=dict(type='BN'), num_stages=4, dilations=(1, 1, 2, 2), ceil_mode=True),
], ids=str)
def test_plain_network_equals_mmpretrain(kwargs):
    indices = tuple(range(kwargs.get('num_stages', 5)))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        oracle = MODELS.build(dict(type='mmpretrain.VGG', out_indices=indices, **kwargs))
    oracle.eval()
    as_if_trained(oracle)
    ours = VGG(out_indices=indices, **kwargs).eval()
    ours.load_state_dict(oracle.state_dict())
    images = torch.randn(1, 3, 97, 65)
    with torch.no_grad():
        for a, b in zip(ours(images), oracle(images), strict=True):
            assert_same(a, b)


def test_scores_equal_mmpretrains():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        oracle = MODELS.build(dict(type='mmpretrain.VGG', depth=11, norm_cfg=dict(type='BN'), num_classes=10))
    oracle.eval()
    with torch.device('meta'):
        ours = VGG(11, num_classes=10).eval()
    ours.load_state_dict(oracle.state_dict(), assign=True)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        (a,), (b,) = ours(images), oracle(images)
    assert_same(a, b)


def test_every_vgg_of_mmpretrain_is_inherited_by_type_and_context():
    root = os.path.join(os.path.dirname(mmpretrain.__file__), '.mim', 'configs', '_base_', 'models')
    paths = glob.glob(os.path.join(root, 'vgg*.py'))
    assert len(paths) == 8
    for path in paths:
        backbone = Config.fromfile(path).model.backbone.to_dict()
        assert backbone.pop('type') == 'VGG'
        norm = {} if 'norm_cfg' in backbone else dict(norm_cfg=None)
        with torch.device('meta'), DefaultScope.overwrite_default_scope('mmpretrain'):
            theirs = MODELS.build(dict(backbone, type='VGG'))
            ours = MODELS.build(dict(backbone, **norm, type='se_backbones.VGG', context=SE))
        plain = {k: v.shape for k, v in ours.state_dict().items() if '.context.' not in k}
        assert plain == {k: v.shape for k, v in theirs.state_dict().items()}, path


def parameters(**kwargs):
    with torch.device('meta'):
        return sum(p.numel() for p in VGG(16, num_classes=1000, **kwargs).parameters())


def test_se_adds_what_the_hidden_widths_say():
    plain = parameters()
    assert plain == 138_365_992  # torchvision's vgg16_bn
    assert parameters(context=dict(op=dict(type='SqueezeExcite', bias=False))) - plain == 226_304
    assert parameters(context=SE) - plain == 230_792


def test_gate_acts_after_the_relu():
    net = VGG((1,), SE, base_channels=16).eval()
    unit, x = net.features[0], torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(unit(x), unit.context['standard'](unit.bn(unit.conv(x)).relu()))


def test_head_drops_out_in_training_and_starts_with_small_weights():
    net = VGG((1, 1), base_channels=4, num_classes=7, fc_channels=32, input_size=16)
    net.init_weights()
    assert 0.008 < net.classifier[0].weight.std() < 0.012
    images = torch.randn(2, 3, 16, 16)
    (a,), (b,) = net.train()(images), net(images)
    assert not torch.equal(a, b)
    (a,), (b,) = net.eval()(images), net(images)
    assert a.shape == (2, 7)
    assert torch.equal(a, b)
    assert net.feature_info == ((2, 7, 0),)


def test_maps_and_scores_come_together():
    net = VGG((1, 1), SE, base_channels=16, num_classes=7, fc_channels=32, input_size=(16, 24), out_indices=(2, 0))
    net.eval()
    scores, first = net(torch.randn(2, 3, 16, 24))
    assert scores.shape == (2, 7)
    assert first.shape == (2, 16, 8, 12)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=12), r'depth must be one of 11, 13, 16, 19 or a tuple .* got 12'),
    (dict(depth=()), r'depth must be one of 11, 13, 16, 19 or a tuple'),
    (dict(num_stages=6), r'num_stages=6 is more than the 5 stages'),
    (dict(dilations=(1, 2)), r'dilations must have one entry for each of the 5 stages, got \(1, 2\)'),
    (dict(fc_channels=64), r'fc_channels=64 has no effect with num_classes=-1'),
    (dict(num_classes=0), r'num_classes .*must be an int of at least 1, got 0'),
    (dict(num_classes=10, out_indices=(4,)), r'scores are output 5, but out_indices=\(4,\) leaves it out'),
    (dict(num_classes=10, with_last_pool=False), r'num_classes=10 needs with_last_pool=True, got False'),
    (dict(input_size=(64, 16)), r'input_size must be at least 32 for 5 pools, got \(64, 16\)'),
    (dict(base_channels=0), r'base_channels must be an int of at least 1, got 0'),
    (dict(ceil_mode='yes'), r"ceil_mode must be one of True, False, got 'yes'"),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with torch.device('meta'), pytest.raises(ValueError, match=message):
        VGG(**dict(dict(depth=16), **kwargs))


def test_head_at_another_size_names_both_sizes():
    net = VGG((1,), base_channels=4, num_classes=7, fc_channels=8, input_size=16)
    with pytest.raises(ValueError, match=r'takes maps of 8x8, but got 12x12.*input_size.*num_classes=-1'):
        net(torch.randn(1, 3, 24, 24))

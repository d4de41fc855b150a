"""Norms are folded where that is exact, and stay where it is not."""

import mmcv.ops  # noqa: F401  (registers DCNv2)
import pytest
import timm
import torch
from mmcv.cnn import ConvModule
from mmengine.registry import MODELS
from torch import nn
from torch.nn.utils import parametrize

from helpers import as_if_trained
from se_backbones.models.fusion import fuse_for_inference

SETTINGS = {
    'plain': dict(), 'eps': dict(norm_cfg=dict(type='BN', eps=0.1)),
    'no affine': dict(norm_cfg=dict(type='BN', affine=False)),
    'SyncBN': dict(norm_cfg=dict(type='SyncBN')), 'weight standardisation': dict(conv_cfg=dict(type='ConvWS')),
    'adaptive weight standardisation': dict(conv_cfg=dict(type='ConvAWS')),
    'no statistics': dict(norm_cfg=dict(type='BN', track_running_stats=False)),
    'GN': dict(norm_cfg=dict(type='GN', num_groups=2)), 'IN': dict(norm_cfg=dict(type='IN')),
    'dcn': dict(dcn=dict(type='DCNv2', deform_groups=1), stage_with_dcn=(True, True)),
}
STAY = 'no statistics', 'weight standardisation', 'adaptive weight standardisation'
# A block without an operator, one with SE, one with GE.
CONTEXT = [dict(op=dict(type='SqueezeExcite', ratio=2), stages=((False, True), False)),
           dict(op=dict(type='GatherExcite', variant='theta_plus', extent=4, ratio=2), stages=(False, True))]


def build(context=None, **kwargs):
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(2, 1), base_channels=8, context=context, **kwargs))
    net.init_weights()
    return as_if_trained(net, 0.3).double().eval()


def norms(net):
    return [name for name, module in net.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
@pytest.mark.parametrize('setting', SETTINGS)
def test_every_kind_of_network_computes_the_same(setting):
    net, x = build(CONTEXT, **SETTINGS[setting]), torch.randn(2, 3, 64, 64, dtype=torch.float64)
    folded = fuse_for_inference(net)
    torch.testing.assert_close(folded(x), net(x), rtol=1e-9, atol=1e-9)
    left = norms(folded)
    if setting == 'dcn':
        assert left and all('bn2' in name for name in left if 'context' not in name)
    elif setting in STAY:
        assert len(left) == len(norms(net)) - (0 if setting == 'no statistics' else len(
            [name for name in norms(net) if 'gather' in name]))
    else:
        assert not left


@torch.no_grad()
def test_a_parametrised_and_a_watched_convolution_keep_their_norms():
    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x
    net, x, seen = build(), torch.randn(2, 3, 64, 64, dtype=torch.float64), []
    parametrize.register_parametrization(net.layer1[0].conv1, 'weight', Doubled())
    net.layer1[0].conv2.register_forward_hook(lambda module, inputs, out: seen.append(out))
    folded = fuse_for_inference(net)
    torch.testing.assert_close(folded(x), net(x))
    assert norms(folded) == ['layer1.0.bn1', 'layer1.0.bn2']
    torch.testing.assert_close(*seen)


@torch.no_grad()
@pytest.mark.parametrize('share', [True, False])
def test_a_convolution_that_several_norms_follow_stays(share):
    """As the levels of RTMDet share theirs."""
    shared = nn.Conv2d(3, 4, 1, bias=False)
    levels = [nn.Sequential(shared if share else nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)) for _ in range(3)]
    net, x = as_if_trained(nn.Sequential(*levels)).eval(), torch.randn(2, 3, 5, 5)
    folded = fuse_for_inference(net)
    for own, other in zip(net, folded, strict=True):
        torch.testing.assert_close(other(x), own(x))
    assert len(norms(folded)) == (3 if share else 0)


@torch.no_grad()
@pytest.mark.parametrize('order', [('norm', 'act', 'conv'), ('conv', 'norm', 'act'), ('act', 'conv', 'norm'),
                                   ('conv', 'act', 'norm')], ids=str)
def test_a_norm_that_does_not_follow_the_convolution_of_mmcvs_module_stays(order):
    module = as_if_trained(ConvModule(3, 3, 3, norm_cfg=dict(type='BN'), order=order)).eval()
    x, folded = torch.randn(2, 3, 5, 5), fuse_for_inference(module)
    torch.testing.assert_close(folded(x), module(x))
    assert len(norms(folded)) == (order.index('norm') != order.index('conv') + 1)


class Apart(nn.Module):
    """As CGNet's and EfficientFormer's blocks: what is registered side by side runs far apart."""

    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(3, 4, 1), nn.Conv2d(4, width, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(4), nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn2(self.fc2(self.bn1(self.fc1(x)).relu()))


class Summed(nn.Module):
    """As RepViT's blocks: what is normed is a sum, which no name tells."""

    def __init__(self):
        super().__init__()
        self.conv, self.conv1, self.bn = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.bn(self.conv(x) + self.conv1(x) + x)


class NormAct(nn.BatchNorm2d):
    """As timm's BatchNormAct2d."""

    def forward(self, x):
        return super().forward(x).relu()


class Listed(nn.Module):
    """As ERFNet's and DenseNet's: a right pair whose names have other numbers."""

    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(4, 4, 1)
        self.norm1 = nn.BatchNorm2d(4)
        self.layers = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)])

    def forward(self, x):
        x = self.norm1(self.conv0(x)).relu()
        return self.layers[1](self.layers[0](x))


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.bn(nn.functional.relu(self.conv(x), inplace=True))


@torch.no_grad()
@pytest.mark.parametrize(('net', 'left'), [
    (Summed, 1), (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), NormAct(4)), 1), (Listed, 0), (InPlace, 1)],
    ids=['of a sum', 'with an activation', 'other numbers', 'after an activation in place'])
def test_a_norm_is_folded_if_it_gets_the_convolutions_output_as_it_is(net, left):
    net, x = as_if_trained(net()).eval(), torch.randn(2, 4, 5, 5)
    folded = fuse_for_inference(net)
    torch.testing.assert_close(folded(x), net(x))
    assert len(norms(folded)) == left


@torch.no_grad()
@pytest.mark.parametrize('name', ['efficientnet_b0', 'repvit_m0_9', 'densenet121', 'resnet18'])
def test_networks_of_timm_compute_what_they_did(name):
    net = as_if_trained(timm.create_model(name)).eval()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(fuse_for_inference(net)(x), net(x), rtol=1e-3, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize('width', [4, 6])
def test_a_norm_of_other_channels_or_of_another_number_stays(width):
    net, x = as_if_trained(Apart(width)).eval(), torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(fuse_for_inference(net)(x), net(x))


@torch.no_grad()
def test_a_norm_that_does_not_follow_its_convolution_stays():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    net[2].running_mean.fill_(1)
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(fuse_for_inference(net)(x), net(x))


def test_the_copy_is_in_eval_mode_and_the_original_stays_in_its_own():
    net = build().train()
    folded = fuse_for_inference(net)
    assert not any(module.training for module in folded.modules()) and net.training and norms(net)


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_folded_in_float32(dtype):
    net = build().to(dtype)
    conv, norm = net.layer1[0].conv1, net.layer1[0].bn1
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    folded = fuse_for_inference(net).layer1[0].conv1
    assert torch.equal(folded.weight, (conv.weight.double() * scale[:, None, None, None]).to(dtype))


def test_norms_without_affine_and_instance_norms_start():
    for norm_cfg in (dict(type='IN'), dict(type='BN', affine=False)):
        build(norm_cfg=norm_cfg)
        build(dict(op=dict(type='GatherExcite', variant='theta', extent=2)), norm_cfg=norm_cfg)

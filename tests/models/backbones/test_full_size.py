"""The networks of both papers at full size: their maps on the meta device, and, slow, one real step of each with SE."""

import pytest
import torch
from mmengine.registry import MODELS

RESNET = ((256, 56), (512, 28), (1024, 14), (2048, 7))
CAFFE = dict(style='caffe', stem_pool='caffe')
# name: settings, image size, (channels, size) of the map of each stage
NETWORKS = {
    'ResNet-50': (dict(type='ResNet', depth=50, **CAFFE), 224, RESNET),
    'ResNet-101': (dict(type='ResNet', depth=101, **CAFFE), 224, RESNET),
    'ResNet-152': (dict(type='ResNet', depth=152, **CAFFE), 224, RESNET),
    'ResNeXt-50': (dict(type='ResNeXt', depth=50, stem_pool='caffe'), 224, RESNET),
    'ResNeXt-101': (dict(type='ResNeXt', depth=101, stem_pool='caffe'), 224, RESNET),
    'SENet-154': (dict(type='SENet', depth=154), 224, RESNET),
    'VGG-16': (dict(type='VGG', depth=16), 224, ((64, 112), (128, 56), (256, 28), (512, 14), (512, 7))),
    'BN-Inception': (dict(type='BNInception'), 224, ((192, 56), (320, 28), (608, 14), (1024, 7))),
    'Inception-ResNet-v2': (dict(type='InceptionResNetV2'), 299, ((192, 71), (320, 35), (1088, 17), (1536, 8))),
    'MobileNetV1': (dict(type='MobileNetV1'), 224, ((64, 112), (128, 56), (256, 28), (512, 14), (1024, 7))),
    'ShuffleNetV1': (dict(type='ShuffleNetV1'), 224, ((240, 28), (480, 14), (960, 7))),
    'ResNet-110': (dict(type='PreActResNet', depth=110), 32, ((16, 32), (32, 16), (64, 8))),
    'ResNet-164': (dict(type='PreActResNet', depth=164), 32, ((64, 32), (128, 16), (256, 8))),
    'WRN-16-8': (dict(type='WideResNet', depth=16, widen_factor=8), 32, ((128, 32), (256, 16), (512, 8))),
    'WRN-28-10': (dict(type='WideResNet', depth=28, widen_factor=10), 32, ((160, 32), (320, 16), (640, 8))),
    'Shake-Shake 26 2x96d': (dict(type='ShakeShake', depth=26), 32, ((96, 32), (192, 16), (384, 8))),
    'Shake-Even 29 2x4x64d': (dict(type='ShakeShake', depth=29, backward_shake='even'), 32,
                              ((256, 32), (512, 16), (1024, 8))),
}
SE = dict(op=dict(type='SqueezeExcite'))
every_network = pytest.mark.parametrize(('settings', 'size', 'maps'), NETWORKS.values(), ids=NETWORKS)


def build(settings, maps, context):
    return MODELS.build(dict(settings, type=f'se_backbones.{settings["type"]}', context=context,
                             out_indices=tuple(range(len(maps)))))


@every_network
def test_maps_have_the_papers_channels_and_sizes(settings, size, maps):
    with torch.device('meta'):
        net = build(settings, maps, SE).eval()
        out = net(torch.empty(2, 3, size, size))
    assert [tuple(m.shape) for m in out] == [(2, channels, side, side) for channels, side in maps]
    assert [feature.channels for feature in net.feature_info] == [channels for channels, _ in maps]
    # A stride is the power of two by which a side shrinks; no padding makes it a little smaller than that.
    assert [feature.stride for feature in net.feature_info] == [2**((size // side).bit_length() - 1)
                                                                for _, side in maps]


@pytest.mark.slow
@every_network
def test_one_step_of_the_se_network_is_finite_and_reaches_every_parameter(settings, size, maps):
    net = build(settings, maps, SE).train()
    net.init_weights()
    out = net(torch.randn(2, 3, size, size))
    assert [tuple(m.shape) for m in out] == [(2, channels, side, side) for channels, side in maps]
    sum((m * torch.randn_like(m)).mean() for m in out).backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not without, f'no finite gradient for {without}'

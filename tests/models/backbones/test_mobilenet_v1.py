"""MobileNet v1 equals timm's with its weights and has the parameter counts of the SE paper's Table III."""

import re

import pytest
import timm
import torch

from helpers import as_if_trained
from se_backbones.models.backbones.mobilenet_v1 import MobileNetV1


def from_timm(key):
    key = key.replace('conv_stem', 'conv1.conv')
    key = re.sub(r'^bn1', 'conv1.bn', key)
    key = re.sub(r'^blocks\.(\d)', lambda m: f'layer{int(m[1]) + 1}', key)
    return (key.replace('conv_dw', 'depthwise.conv').replace('conv_pw', 'pointwise.conv')
            .replace('.bn1.', '.depthwise.bn.') if key.startswith('layer') else key).replace('bn2', 'pointwise.bn')


@pytest.mark.parametrize(('name', 'widen_factor'), [('mobilenetv1_100', 1.0), ('mobilenetv1_125', 1.25)])
def test_plain_network_equals_timm_with_relu(name, widen_factor):
    # timm's own has ReLU6.
    oracle = as_if_trained(timm.create_model(name, pretrained=False, act_layer='relu')).eval()
    ours = MobileNetV1(widen_factor=widen_factor, out_indices=(0, 1, 2, 3, 4)).eval()
    ours.load_state_dict({from_timm(key): value for key, value in oracle.state_dict().items()
                          if not key.startswith('classifier')})
    for size in (224, 97):
        x = images = torch.randn(1, 3, size, size)
        with torch.no_grad():
            x = oracle.bn1(oracle.conv_stem(x))
            for ours_map, stage in zip(ours(images), oracle.blocks, strict=True):
                x = stage(x)
                assert ours_map.shape == x.shape
                assert (ours_map - x).abs().max() <= 2e-5 * x.abs().max()  # float32 rounding


@pytest.mark.parametrize(('context', 'expected'), [
    (None, 4_231_976), (dict(op=dict(type='SqueezeExcite', bias=False)), 4_711_720),  # Table III: 4.2 M and 4.7 M
])
def test_parameter_count_of_table_3(context, expected):
    with torch.device('meta'):
        net = MobileNetV1(context=context)
    assert sum(p.numel() for p in net.parameters()) + 1025 * 1000 == expected


def test_operators_see_the_point_wise_output():
    with torch.device('meta'):
        net = MobileNetV1(context=dict(op=dict(type='SqueezeExcite')))
    widths = [unit.context['standard'].in_channels for name in net.stage_names for unit in getattr(net, name)]
    assert widths == [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(depth=(1, 2, 2)), r'depth must be a tuple with the units of each of the 5 stages.* got \(1, 2, 2\)'),
    (dict(depth=28), r'depth must be a tuple'),
    (dict(widen_factor=0), r'widen_factor must be a number above 0, got 0'),
    (dict(widen_factor='half'), r"widen_factor must be a number above 0, got 'half'"),
    (dict(widen_factor=float('inf')), r'widen_factor must be a number above 0, got inf'),
], ids=str)
def test_wrong_settings_are_one_clear_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MobileNetV1(**kwargs)

"""Parameter counts of residual networks are the papers'. What they compute: tests/pretrained/test_layouts.py."""

import pytest
import torch
from mmengine.registry import MODELS

SE = dict(op=dict(type='SqueezeExcite'))


def build(kind, **kwargs):
    return MODELS.build(dict(type=f'se_backbones.{kind}', **kwargs))


def trainable(kind, classes=1000, **kwargs):
    with torch.device('meta'):
        backbone = build(kind, **kwargs)
    width = backbone.feature_info[-1].channels
    return sum(p.numel() for p in backbone.parameters()) + (width + 1) * classes


@pytest.mark.parametrize(('kind', 'kwargs', 'expected'), [
    # reference: the released prototxts, counted with the classifier
    ('ResNet', dict(depth=50, context=SE), 28_088_024),
    ('ResNet', dict(depth=101, context=SE), 49_326_872),
    ('ResNet', dict(depth=152, context=SE), 66_821_848),
    ('ResNeXt', dict(depth=50, context=SE), 27_559_896),
    ('ResNeXt', dict(depth=101, context=SE), 48_955_416),
    ('SENet', dict(depth=154), 115_088_984),
    ('ResNet', dict(depth=50, context=dict(op=dict(type='GatherExcite'))), 25_557_032),
    ('ResNet', dict(depth=50, context=dict(op=dict(type='GatherExcite', variant='theta'))), 31_106_600),
    ('ResNet', dict(depth=50, context=dict(op=dict(type='GatherExcite', variant='theta_plus'))), 33_637_592),
])
def test_parameter_count_is_the_released_networks(kind, kwargs, expected):
    assert trainable(kind, **kwargs) == expected


@pytest.mark.parametrize(('ratio', 'millions'), [(2, 45.677), (4, 35.617), (8, 30.587), (16, 28.072), (32, 26.815)])
def test_ratio_gives_the_parameter_count_of_table_10(ratio, millions):
    op = dict(type='SqueezeExcite', ratio=ratio, bias=False)
    assert round(trainable('ResNet', depth=50, context=dict(op=op)) / 1e6, 3) == millions


def test_se_on_the_3x3_has_the_parameter_count_of_table_15():
    context = dict(op=dict(type='SqueezeExcite', bias=False), placement='3x3')
    assert round(trainable('ResNet', depth=50, context=context) / 1e6, 3) == 25.714


@pytest.mark.parametrize(('stage', 'millions'), [(0, 25.582), (1, 25.688), (2, 26.343)])
def test_se_in_one_stage_has_the_parameter_count_of_table_13(stage, millions):
    stages = tuple(index == stage for index in range(4))
    op = dict(type='SqueezeExcite', bias=False)
    assert round(trainable('ResNet', depth=50, context=dict(op=op, stages=stages)) / 1e6, 3) == millions


@pytest.mark.parametrize(('stage', 'millions'), [(0, 27.967), (1, 27.167), (2, 26.774)])
def test_theta_in_one_stage_has_the_parameter_count_of_ge_table_1(stage, millions):
    op, stages = dict(type='GatherExcite', variant='theta'), tuple(index == stage for index in range(4))
    assert round(trainable('ResNet', depth=50, context=dict(op=op, stages=stages)) / 1e6, 3) == millions

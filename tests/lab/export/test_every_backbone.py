"""Every backbone with every kind of operator: it exports, at any size or at its own, or says why not."""

import pytest
import torch
from mmengine.config import Config

from helpers import as_if_trained, exported_facts
from se_backbones.lab.export import FORMATS, ExportError, part_of, to_bytes
from se_backbones.lab.export.any_size import fixed_size_reason
from se_backbones.lab.inference.loading import build_model
from se_backbones.registry import MODELS

# The settings that make each network narrow and shallow.
NARROW = {
    'ResNet bottleneck': dict(depth=(1, 1, 1, 1), base_channels=4),
    'ResNet basic': dict(depth=(1, 1, 1, 1), base_channels=4, block='basic', stem_pool='caffe', deep_stem=True),
    'ResNeXt': dict(depth=(1, 1, 1, 1), base_channels=4, groups=2, base_width=2),
    'ResNetV1c': dict(depth=(1, 1, 1, 1), base_channels=4),
    'ResNetV1d': dict(depth=(1, 1, 1, 1), base_channels=4),
    'SENet': dict(depth=(1, 1, 1, 1), base_channels=4, groups=2, base_width=2),
    'VGG': dict(depth=(1, 1, 1, 1, 1), base_channels=4),
    'BNInception': dict(depth=(2, 2, 2), widen_factor=1 / 16),
    'InceptionResNetV2': dict(depth=(1, 1, 1), widen_factor=1 / 16),
    'MobileNetV1': dict(depth=(1, 1, 1, 1, 1), widen_factor=1 / 8),
    'ShuffleNetV1': dict(depth=(2, 1, 1), widen_factor=1 / 4, groups=2),
    'PreActResNet basic': dict(depth=(1, 1, 1), base_channels=4, block='basic'),
    'PreActResNet bottleneck': dict(depth=(1, 1, 1), base_channels=4, block='bottleneck'),
    'WideResNet': dict(depth=(1, 1, 1), base_channels=4, widen_factor=2),
    'ShakeShake basic': dict(depth=(1, 1, 1), base_width=4, block='basic'),
    'ShakeShake bottleneck': dict(depth=(1, 1, 1), base_width=2, groups=2, base_channels=2, block='bottleneck'),
}
OPS = {
    'plain': None,
    'se': dict(type='SqueezeExcite', ratio=2),
    'no-squeeze': dict(type='SqueezeExcite', ratio=2, squeeze='none', gate='tanh'),
    'theta-minus': dict(type='GatherExcite'),
    'theta-minus-e4': dict(type='GatherExcite', extent=4),
    'theta-e8': dict(type='GatherExcite', variant='theta', extent=8),
    'theta-plus-e8': dict(type='GatherExcite', variant='theta_plus', extent=8, ratio=2),
    'theta-global': dict(type='GatherExcite', variant='theta', extent='global'),
}
# At less than 107 px a map of Inception-ResNet-v2 has one cell, for which a `torch.export` file is not.
SIZE = (112, 128)
every_kind = pytest.mark.parametrize('kind', NARROW)


def model_of(kind, op, **kwargs):
    """A model of a backbone without a head, as if trained."""
    model = build_model(Config(dict(default_scope='mmpretrain', model=dict(
        type='ImageClassifier', data_preprocessor=dict(mean=[120, 110, 100], std=[60, 61, 62], to_rgb=True),
        backbone=dict(type=f'se_backbones.{kind.split()[0]}', input_size=SIZE, context=op and dict(op=op),
                      **NARROW[kind], **kwargs)))))
    return as_if_trained(model).eval()


def assert_file_says_the_same(kind, op, format, sizes, fold=False):
    model = model_of(kind, op)
    data = to_bytes(model, torch.zeros(1, 3, *SIZE), format, 'features', fold)
    run, part = FORMATS[format].from_bytes(data), part_of(model, 'features')
    facts = exported_facts(data, format)
    assert facts['outputs'] == ['feature_0'] and facts['batch'] == 'any'
    assert facts['size'] == ('any' if fixed_size_reason(model) is None else list(SIZE))
    for count, size in enumerate([SIZE, *(sizes if facts['size'] == 'any' else [])], 1):
        images = torch.rand(count, 3, *size) * 255
        with torch.no_grad():
            expected, = part(images)
        found, = run(images)
        assert (found - expected).abs().max() <= 1e-4 * expected.abs().max(), (size, count)


@every_kind
def test_torchscript_of_a_local_gather_takes_any_size(kind):
    assert_file_says_the_same(kind, OPS['theta-e8'], 'torchscript', [(160, 224), (109, 119)])


@pytest.mark.parametrize('kind', ['ResNet bottleneck', 'VGG', 'ShuffleNetV1'])
def test_torchscript_of_kernels_that_span_the_map_has_one_size_and_says_so(kind):
    assert_file_says_the_same(kind, OPS['theta-global'], 'torchscript', [])


# Two operators with each network, four networks with each operator.
PAIRS = [(kind, [*OPS][(number + step) % len(OPS)]) for number, kind in enumerate(NARROW) for step in (0, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(('kind', 'op'), PAIRS)
@pytest.mark.parametrize('format', FORMATS)
def test_every_format(needs_format, kind, op, format):
    needs_format(format)
    assert_file_says_the_same(kind, OPS[op], format, [(160, 224), (109, 119)], fold=op == 'theta-plus-e8')


def test_the_table_has_a_row_for_every_registered_backbone():
    from se_backbones.models.backbones.base import Backbone
    MODELS.import_from_location()
    registered = {name for name, cls in MODELS.module_dict.items() if issubclass(cls, Backbone)}
    assert registered == {kind.split()[0] for kind in NARROW}


def test_deformable_convolutions_are_refused_by_name():
    model = model_of('ResNet bottleneck', None, dcn=dict(type='DCNv2', deform_groups=1),
                     stage_with_dcn=(False, False, False, True))
    with pytest.raises(ExportError, match=r'layer4\.0\.conv2 is a ModulatedDeformConv2dPack of mmcv'):
        to_bytes(model, torch.zeros(1, 3, *SIZE), 'onnx', 'features')

"""A config of mmpretrain's is inherited by changing the type of its backbone; its own option names are understood."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

TYPES = {'ResNet': 'ResNet', 'ResNeXt': 'ResNeXt', 'SEResNet': 'ResNet', 'SEResNeXt': 'ResNeXt'}


def pair(backbone):
    stock = {key: value for key, value in backbone.items() if key not in ('init_cfg', 'type')}
    if backbone['type'].startswith('SE'):
        stock.setdefault('se_ratio', 16)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return (MODELS.build(dict(stock, type=f'mmpretrain.{backbone["type"]}')),
                MODELS.build(dict(stock, type=f'se_backbones.{TYPES[backbone["type"]]}')))


def as_ours(state):
    return {key.replace('se_layer.conv1.conv', 'context.standard.excite.down').replace(
        'se_layer.conv2.conv', 'context.standard.excite.up'): value for key, value in state.items()}


@pytest.mark.parametrize('backbone', [
    dict(type='ResNet', depth=50, base_channels=16, stem_channels=8, expansion=2),
    dict(type='ResNeXt', depth=50, base_channels=16, stem_channels=16, groups=4, width_per_group=8),
    # Its SEResNeXt forgets another ratio than 16.
    dict(type='SEResNeXt', depth=50, base_channels=32, stem_channels=16, groups=4, width_per_group=8, se_ratio=16),
    dict(type='SEResNet', depth=50, base_channels=16, stem_channels=16, se_ratio=2)], ids=str)
def test_it_computes_the_same(backbone):
    theirs, ours = pair(backbone)
    ours.load_state_dict(as_ours(theirs.state_dict()))
    theirs.eval()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours.eval()(x)[-1], theirs(x)[-1])


@pytest.mark.parametrize(('options', 'text'), [
    (dict(depth=50, se_ratio=16, context=dict(op=dict(type='SqueezeExcite'))), 'exclude each other'),
    (dict(depth=18, expansion=2), 'expansion=2 needs bottlenecks'),
    (dict(depth=50, expansion=3, base_channels=1), 'must be a multiple of 4'),
    (dict(depth=50, se_ratio=0), 'se_ratio')], ids=str)
def test_what_it_cannot_mean_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='se_backbones.ResNet', **options))

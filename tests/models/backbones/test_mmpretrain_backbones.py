"""A config of mmpretrain's is inherited by changing the type of its backbone; its own option names are understood."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
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


@pytest.mark.parametrize('depth', [34, 50, 101, 152])
def test_layer_wise_decay_counts_the_layers_of_mmpretrain(depth):
    theirs, ours = pair(dict(type='ResNet', depth=depth, base_channels=4, stem_channels=4))
    for name in ('head.fc.weight', *(f'backbone.{name}' for name, _ in theirs.named_parameters())):
        assert ours.get_layer_depth(name, 'backbone.') == theirs.get_layer_depth(name, 'backbone.'), name


def test_an_optimizer_with_layer_wise_decay_is_built_as_an_mmpretrain_config_asks():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(dict(
            type='ImageClassifier', head=dict(type='LinearClsHead', num_classes=2, in_channels=128),
            backbone=dict(type='se_backbones.ResNet', depth=50, base_channels=4,
                          context=dict(op=dict(type='SqueezeExcite')))))
        wrapper = build_optim_wrapper(model, dict(
            optimizer=dict(type='SGD', lr=1.0, weight_decay=1e-4), paramwise_cfg=dict(layer_decay_rate=0.5),
            constructor='LearningRateDecayOptimWrapperConstructor'))
    rates = {id(parameter): group['lr'] for group in wrapper.param_groups for parameter in group['params']}
    rates = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    assert rates['head.fc.weight'] == 1 and rates['backbone.conv1.weight'] == 0.5**7
    block = {rate for name, rate in rates.items() if name.startswith('backbone.layer3.3.')}
    assert block == {0.5**2} and 'backbone.layer3.3.context.standard.excite.up.bias' in rates


@pytest.mark.parametrize(('options', 'text'), [
    (dict(depth=50, se_ratio=16, context=dict(op=dict(type='SqueezeExcite'))), 'exclude each other'),
    (dict(depth=18, expansion=2), 'expansion=2 needs bottlenecks'),
    (dict(depth=50, expansion=3, base_channels=1), 'must be a multiple of 4'),
    (dict(depth=50, se_ratio=0), 'se_ratio')], ids=str)
def test_what_it_cannot_mean_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='se_backbones.ResNet', **options))

"""How a config's type string finds us, in every host's scope, and what a wrong one says."""

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS, DefaultScope

import se_backbones.registry


@pytest.mark.parametrize('scope', ['mmdet', 'mmpretrain', 'mmengine', 'se_backbones'])
@pytest.mark.parametrize('name', ['ResNet', 'ResNeXt', 'SENet', 'SqueezeExcite', 'GatherExcite', 'ResLayer'])
def test_the_prefix_is_enough_in_every_scope(scope, name):
    with DefaultScope.overwrite_default_scope(scope):
        assert MODELS.get(f'se_backbones.{name}').__module__.startswith('se_backbones.')


def test_nothing_of_ours_is_in_another_registry():
    import mmdet.registry
    import mmpretrain.registry
    for registry in (MODELS, mmdet.registry.MODELS, mmpretrain.registry.MODELS):
        registry.import_from_location()
        assert not [n for n, cls in registry.module_dict.items() if cls.__module__.startswith('se_backbones')]


def test_an_inherited_resnet_of_mmdets_stays_mmdets():
    with MODELS.switch_scope_and_registry('mmdet') as registry:
        assert registry.get('ResNet').__module__.startswith('mmdet')


def test_misspelt_name_is_answered_with_the_names_that_exist():
    with pytest.raises(KeyError) as error:
        MODELS.build(dict(type='se_backbones.ResNett', depth=50))
    assert "'se_backbones.ResNett' is not in the model registry of se_backbones" in str(error.value)
    assert "Did you mean 'ResNet'?" in str(error.value)


def test_unknown_constructor_argument_names_it():
    with pytest.raises(ValueError, match="has no option 'contxt'.* Did you mean 'context'"):
        MODELS.build(dict(type='se_backbones.ResNet', depth=50, contxt=None))


NEW_STYLE = """
from se_backbones.models.backbones import ResNet
from se_backbones.models.operators import SqueezeExcite

model = dict(type=ResNet, depth=18, base_channels=8, context=dict(op=dict(type=SqueezeExcite, ratio=4)))
"""


def test_a_config_of_classes_builds_and_so_does_its_dump(tmp_path):
    (tmp_path / 'config.py').write_text(NEW_STYLE)
    cfg = Config.fromfile(tmp_path / 'config.py', lazy_import=True)
    cfg.dump(tmp_path / 'dumped.py')
    dumped = Config.fromfile(tmp_path / 'dumped.py')
    assert dumped.model.type.endswith('.ResNet') and dumped.model.context.op.type.endswith('.SqueezeExcite')
    for scope in ('mmdet', 'mmengine', 'se_backbones'):
        with DefaultScope.overwrite_default_scope(scope):
            one, other = MODELS.build(cfg.model), MODELS.build(dumped.model)
            assert type(one) is type(other) and str(one) == str(other) and 'SqueezeExcite' in str(one)


def test_a_path_that_leads_nowhere_is_answered_like_a_misspelt_name():
    with pytest.raises(KeyError, match="Did you mean 'ResNet'"):
        MODELS.build(dict(type='se_backbones.models.backbones.ResNett'))
    with pytest.raises(ValueError, match=r"context\.op\.type must be one of .* got 'se_backbones.*Nothing'"):
        MODELS.build(dict(type='se_backbones.ResNet', depth=18,
                          context=dict(op=dict(type='se_backbones.models.operators.Nothing'))))
    with pytest.raises(ValueError, match=r"context\.op\.type must be one of .* got 'torch.nn.Linear'"):
        MODELS.build(dict(type='se_backbones.ResNet', depth=18, context=dict(op=dict(type='torch.nn.Linear'))))


def test_every_root_has_a_child_so_that_inherited_configs_do_not_warn():
    assert se_backbones.registry.HOOKS.parent is HOOKS
    with DefaultScope.overwrite_default_scope('se_backbones'):
        assert HOOKS.build(dict(type='IterTimerHook')) is not None

"""How a config's type string finds us, in every host's scope, and what a wrong one says."""

import pytest
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


def test_every_root_has_a_child_so_that_inherited_configs_do_not_warn():
    assert se_backbones.registry.HOOKS.parent is HOOKS
    with DefaultScope.overwrite_default_scope('se_backbones'):
        assert HOOKS.build(dict(type='IterTimerHook')) is not None

"""The model index says what the configs are: made by the tool, equal to what it would make now."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

import se_backbones
from se_backbones.lab.publish.model_index import entry, metafiles

CONFIGS = Path(se_backbones.config_path())
ROOT = CONFIGS.parent
FILES = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
MODELS = {model['Config']: model for file in FILES for model in yaml.safe_load((ROOT / file).read_text())['Models']}


def test_every_config_of_the_papers_data_sets_is_in_the_index():
    leaves = {path.relative_to(ROOT).as_posix() for path in CONFIGS.rglob('*.py')
              if not {'_base_', 'digits', 'examples', 'fashion_mnist', 'trees'} & set(path.parts)}
    assert set(MODELS) == leaves


@pytest.mark.parametrize('config', sorted(MODELS)[::40])
def test_an_entry_is_what_its_config_gives_now(config):
    assert MODELS[config] == entry(ROOT / config, ROOT)


@pytest.mark.slow
@pytest.mark.ci
def test_all_files_are_what_the_tool_writes_now():
    files = metafiles(CONFIGS)
    assert len(files) > 1
    for name, text in files.items():
        assert (ROOT / name).read_text() == text, f'{name}: run tools/misc/make_model_index.py'


@pytest.mark.parametrize(('config', 'parameters'), [
    ('se-resnet50_in1k', 28_088_024), ('se-resnet101_in1k', 49_326_872), ('se-resnet152_in1k', 66_821_848),
    ('se-resnext50-32x4d_in1k', 27_559_896), ('se-resnext101-32x4d_in1k', 48_955_416),
    ('senet154_in1k', 115_088_984), ('se-resnet50-mmpretrain_in1k', 28_088_024)])
def test_parameters_are_those_of_the_released_networks(config, parameters):
    assert MODELS[f'configs/pretrained/{config}.py']['Metadata']['Parameters'] == parameters


def test_weights_results_and_configs_belong_together():
    with_weights = {name: model for name, model in MODELS.items() if 'Weights' in model}
    assert set(with_weights) == {path.relative_to(ROOT).as_posix() for path in CONFIGS.glob('pretrained/*_in1k.py')}
    for name, model in with_weights.items():
        assert model['Weights'] == Config.fromfile(ROOT / name).load_from
        [result] = model['Results']
        assert result['Task'] == 'Image Classification'
        assert 50 < result['Metrics']['Top 1 Accuracy'] < result['Metrics']['Top 5 Accuracy'] < 100


def test_mmengine_finds_a_config_by_its_metafile():
    """The schema's consumers insist on paths of the form configs/..., relative to the index."""
    assert all(name.startswith('configs/') and (ROOT / name).is_file() for name in MODELS)
    for file in FILES:
        collections = {entry['Name'] for entry in yaml.safe_load((ROOT / file).read_text())['Collections']}
        assert {model['In Collection'] for model in yaml.safe_load((ROOT / file).read_text())['Models']} == collections

"""The checkpoint scheme and the models are there whoever is imported first; importing us stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import se_backbones
from se_backbones.utils.import_hooks import when_imported

INDEX = Path(se_backbones.config_path()).parent / 'model-index.yml'


def run(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('[')]


SCHEME = ('from mmengine.runner.checkpoint import CheckpointLoader; '
          'print(json.dumps([CheckpointLoader._get_checkpoint_loader("se-backbones://x").__module__]))')
MODELS = 'print(json.dumps(mmpretrain.list_models("*se*resne*")))'


def assert_listed(models):
    assert {'se-resnet50_in1k', 'se-resnext101-32x4d_in1k', 'seresnet50_8xb32_in1k'} <= set(models)


def test_imported_first_we_load_no_host_library_and_enter_scheme_and_models_later():
    loaded, scheme, models = run(f"""
import json, sys, se_backbones
print(json.dumps([name for name in ('torch', 'mmcv', 'mmengine', 'mmdet', 'mmpretrain') if name in sys.modules]))
import mmengine.runner
{SCHEME}
import mmpretrain
{MODELS}""")
    assert loaded == [] and scheme == ['se_backbones.registry']
    assert_listed(models)


def test_imported_last_we_enter_scheme_and_models_at_once():
    scheme, models = run(f'import json, mmengine.runner, mmpretrain\nimport se_backbones\n{SCHEME}\n{MODELS}')
    assert scheme == ['se_backbones.registry']
    assert_listed(models)


def test_what_configs_name_by_our_prefix_is_found_without_an_import_and_brings_the_scheme():
    """In two processes, one forked from the other: neither profits from what the other has found."""
    scheme, names = run(f"""
import json, os
from mmengine.registry import DATASETS, METRICS, MODELS, TRANSFORMS
child = os.fork()
if not child:
    MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1, 1, 1), base_channels=4))
    {SCHEME}
else:
    assert os.waitpid(child, 0)[1] == 0
    print(json.dumps([kind.get(f'se_backbones.{{name}}').__name__ for kind, name in (
        (DATASETS, 'Places365'), (TRANSFORMS, 'PixelJitter'), (METRICS, 'ValidationLoss'))]))""")
    assert scheme == ['se_backbones.registry']
    assert names == ['Places365', 'PixelJitter', 'ValidationLoss']


def test_the_folding_is_reached_from_the_package():
    from se_backbones.models.fusion import fuse_for_inference
    assert se_backbones.fuse_for_inference is fuse_for_inference
    with pytest.raises(AttributeError, match="'se_backbones' has no attribute 'fuse_for_training'"):
        se_backbones.fuse_for_training  # noqa: B018


def test_names_are_unique_lower_case_and_not_mmpretrains():
    """ModelHub lower-cases names and checks duplicates against the raw ones: a clash would overwrite silently."""
    import mmpretrain
    theirs = yaml.safe_load((Path(mmpretrain.__file__).parent / '.mim/model-index.yml').read_text())['Import']
    taken = {model['Name'].lower() for file in theirs for model in yaml.safe_load(
        (Path(mmpretrain.__file__).parent / '.mim' / file).read_text())['Models']}
    ours = [model['Name'] for file in yaml.safe_load(INDEX.read_text())['Import']
            for model in yaml.safe_load((INDEX.parent / file).read_text())['Models']]
    assert len(ours) == len(set(ours)) and all(name == name.lower() for name in ours)
    assert not taken & set(ours)


def test_an_action_runs_once_after_the_module(tmp_path, monkeypatch):
    (tmp_path / 'late_module.py').write_text('value = 3\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = []
    when_imported('late_module', lambda: seen.append(sys.modules['late_module'].value))
    assert seen == []
    import late_module
    assert seen == [3] and late_module.__spec__.loader is late_module.__loader__
    when_imported('late_module', lambda: seen.append('now'))
    assert seen == [3, 'now']


def test_a_module_that_is_not_installed_stays_missing():
    when_imported('no_such_module', lambda: pytest.fail('called'))
    with pytest.raises(ModuleNotFoundError, match='no_such_module'):
        __import__('no_such_module')

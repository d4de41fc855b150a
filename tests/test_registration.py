"""The checkpoint scheme and the models are there whoever is imported first; importing us stays light."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import se_backbones
from se_backbones.import_hooks import when_imported

INDEX = Path(se_backbones.config_path()).parent / 'model-index.yml'


def run(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_no_host_library():
    assert run('import sys, se_backbones\n'
               'print([m for m in ("torch", "mmcv", "mmengine", "mmdet", "mmpretrain") if m in sys.modules])') == '[]'


def test_the_folding_is_reached_from_the_package():
    from se_backbones.fusion import fuse_for_inference
    assert se_backbones.fuse_for_inference is fuse_for_inference
    with pytest.raises(AttributeError, match="'se_backbones' has no attribute 'fuse_for_training'"):
        se_backbones.fuse_for_training  # noqa: B018


@pytest.mark.parametrize('order', [('se_backbones', 'mmengine.runner'), ('mmengine.runner', 'se_backbones')])
def test_the_scheme_is_registered_whoever_comes_first(order):
    code = ''.join(f'import {name}\n' for name in order)
    assert 'se_backbones.registration' in run(
        code + 'from mmengine.runner.checkpoint import CheckpointLoader\n'
        'print(CheckpointLoader._get_checkpoint_loader("se-backbones://x").__module__)')


def test_building_one_of_our_types_is_enough_for_the_scheme():
    assert 'se_backbones.registration' in run(
        'from mmengine.registry import MODELS\n'
        'MODELS.build(dict(type="se_backbones.ResNet", depth=(1, 1, 1, 1), base_channels=4))\n'
        'from mmengine.runner.checkpoint import CheckpointLoader\n'
        'print(CheckpointLoader._get_checkpoint_loader("se-backbones://x").__module__)')


@pytest.mark.parametrize('order', [('se_backbones', 'mmpretrain'), ('mmpretrain', 'se_backbones')])
def test_mmpretrain_lists_our_models_whoever_comes_first(order):
    code = ''.join(f'import {name}\n' for name in order)
    listed = run(code + 'print(*mmpretrain.list_models("*se*resne*"), sep="\\n")').splitlines()
    assert 'se-resnet50_in1k' in listed and 'se-resnext101-32x4d_in1k' in listed and 'seresnet50_8xb32_in1k' in listed


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

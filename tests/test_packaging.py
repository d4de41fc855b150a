"""What a wheel and a source archive hold, built from a copy of the tree without a network."""

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from shutil import copy2, copytree, ignore_patterns

import pytest

from se_backbones import __version__

ROOT = Path(__file__).resolve().parents[1]
COPIED = ('se_backbones', 'configs', 'tools', 'requirements', 'tests')
BUILD = 'from setuptools import build_meta; import sys; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))'


def build(kind: str, tree: Path, target: Path) -> Path:
    """Call setuptools as pip does, in a process of its own; return the built file."""
    done = subprocess.run([sys.executable, '-c', BUILD, f'build_{kind}', str(target)], cwd=tree, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """A copy of what is built from, so that building leaves our own folders alone."""
    target = tmp_path_factory.mktemp('source')
    for folder in COPIED:
        if (ROOT / folder).exists():
            copytree(ROOT / folder, target / folder, ignore=ignore_patterns('__pycache__'))
    for file in ROOT.iterdir():
        if file.is_file():
            copy2(file, target)
    return target


@pytest.fixture(scope='module')
def wheel(tree, tmp_path_factory):
    return zipfile.ZipFile(build('wheel', tree, tmp_path_factory.mktemp('wheel')))


def sources(tree: Path, *folders: str) -> set[str]:
    """Files below folders of the tree, relative to it."""
    return {str(path.relative_to(tree)) for folder in folders for path in (tree / folder).rglob('*') if path.is_file()}


def test_the_wheel_holds_every_module_and_data_file(wheel, tree):
    files = sources(tree, 'se_backbones')
    assert 'se_backbones/hosts.py' in files and files <= set(wheel.namelist())


def test_the_wheel_holds_configs_tools_and_index_for_mim(wheel, tree):
    index = {'model-index.yml'} if (tree / 'model-index.yml').exists() else set()
    expected = sources(tree, 'configs', 'tools') | index
    found = {name.removeprefix('se_backbones/.mim/') for name in wheel.namelist() if '/.mim/' in name}
    assert found == expected and 'tools/setup_env.py' in found


def test_the_wheel_brings_nothing_else(wheel):
    tops = {name.split('/')[0] for name in wheel.namelist()}
    assert tops == {'se_backbones', f'se_backbones-{__version__}.dist-info'}


def test_the_metadata_requires_no_host_library(wheel):
    metadata = message_from_bytes(wheel.read(f'se_backbones-{__version__}.dist-info/METADATA'))
    required = metadata.get_all('Requires-Dist')
    unconditional = {line.partition(';')[0].strip() for line in required if 'extra ==' not in line}
    assert metadata['Version'] == __version__ and not any('mm' in line for line in unconditional)
    assert {'onedl', 'openmmlab', 'dev', 'demo', 'digits'} <= set(metadata.get_all('Provides-Extra'))
    for extra, names in {'onedl': ('onedl-mmcv>=2.3.6', 'onedl-mmdetection>=3.5.1'),
                         'openmmlab': ('mmcv==2.1.0', 'mmdet==3.3.0', 'numpy<2', 'setuptools<70')}.items():
        wanted = {line.partition(';')[0].strip() for line in required if f'extra == "{extra}"' in line}
        assert set(names) <= wanted


def test_building_leaves_nothing_in_the_source_tree(wheel, tree):
    assert not (tree / 'se_backbones' / '.mim').exists()


def test_a_wheel_of_the_source_archive_is_the_same(wheel, tree, tmp_path):
    archive = build('sdist', tree, tmp_path)
    with tarfile.open(archive) as tar:
        assert any('/se_backbones/.mim/tools/setup_env.py' in name for name in tar.getnames())
        tar.extractall(tmp_path, filter='data')
    (unpacked,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    (tmp_path / 'wheel').mkdir()
    again = zipfile.ZipFile(build('wheel', unpacked, tmp_path / 'wheel'))
    assert set(again.namelist()) == set(wheel.namelist())

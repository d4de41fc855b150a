"""What a wheel and a source archive hold, built from a copy of the tree without a network."""

import os
import shlex
import subprocess
import sys
import sysconfig
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
    assert 'se_backbones/utils/openmmlab.py' in files and files <= set(wheel.namelist())


def test_the_wheel_holds_configs_tools_and_index_for_mim(wheel, tree):
    index = {'model-index.yml'} if (tree / 'model-index.yml').exists() else set()
    expected = sources(tree, 'configs', 'tools') | index
    found = {name.removeprefix('se_backbones/.mim/') for name in wheel.namelist() if '/.mim/' in name}
    assert found == expected and 'tools/train.py' in found


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
                         'openmmlab': ('mmcv-lite==2.1.0', 'mmdet==3.3.0', 'numpy<2', 'setuptools<70')}.items():
        wanted = {line.partition(';')[0].strip() for line in required if f'extra == "{extra}"' in line}
        assert set(names) <= wanted


def test_building_leaves_nothing_in_the_source_tree(wheel, tree):
    assert not (tree / 'se_backbones' / '.mim').exists()


def test_a_wheel_of_the_source_archive_is_the_same(wheel, tree, tmp_path):
    archive = build('sdist', tree, tmp_path)
    with tarfile.open(archive) as tar:
        assert any('/se_backbones/.mim/tools/train.py' in name for name in tar.getnames())
        tar.extractall(tmp_path, filter='data')
    (unpacked,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    (tmp_path / 'wheel').mkdir()
    again = zipfile.ZipFile(build('wheel', unpacked, tmp_path / 'wheel'))
    assert set(again.namelist()) == set(wheel.namelist())


# --- The wheel in an environment of its own, outside of the source tree -----------------------------------------------


def run(*words: str | Path, cwd: Path) -> str:
    """Run a command as in a fresh shell; return what it prints."""
    env = {key: value for key, value in os.environ.items() if key not in ('PYTHONPATH', 'VIRTUAL_ENV')}
    done = subprocess.run(list(map(str, words)), cwd=cwd, text=True, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, f'{shlex.join(map(str, words))}\n{done.stdout[-4000:]}'
    return done.stdout


def make_environment(folder: Path) -> Path:
    """Make an empty environment; return its Python."""
    run(sys.executable, '-m', 'venv', '--without-pip', folder, cwd=folder.parent)
    return folder / 'bin' / 'python'


def install(python: Path, *words: str | Path) -> str:
    """Install with uv and without a network, as the default environment was installed."""
    return run(sys.executable, '-m', 'uv', 'pip', 'install', '--offline', '--python', python, *words, cwd=ROOT)


def check_that_it_trains(python: Path, folder: Path) -> None:
    """Follow the documentation from a folder that holds nothing: data, a config that inherits ours, training, test."""
    where = run(python, '-c', 'import se_backbones; print(se_backbones.__file__); print(se_backbones.__version__)',
                cwd=folder).splitlines()[-2:]
    assert Path(where[0]).is_relative_to(python.parent.parent) and where[1] == __version__
    command = python.parent / 'se-backbones'
    assert str(Path(where[0]).parent / '.mim' / 'configs') in run(command, 'list', cwd=folder)
    (folder / 'mine.py').write_text("_base_ = __import__('se_backbones').config_path('digits/resnet18_se.py')\n")
    run(command, 'data', 'digits', '--kind', 'digits', cwd=folder)
    fewer = ['train_dataloader.dataset.indices=128', 'val_dataloader.dataset.indices=64', 'train_cfg.max_epochs=1']
    run(command, 'train', 'mine.py', '--cfg-options', *fewer, 'train_cfg.val_interval=1', cwd=folder)
    # The shipped config itself, by its name.
    printed = run(command, 'test', 'se_backbones::digits/resnet18_se.py', 'work_dirs/mine/epoch_1.pth', cwd=folder)
    assert 'accuracy/top1' in printed and (folder / 'work_dirs' / 'resnet18_se').is_dir()


@pytest.fixture(scope='module')
def wheel_file(wheel):
    return Path(wheel.filename)


@pytest.mark.slow
@pytest.mark.ci
def test_the_wheel_trains_beside_the_packages_of_this_environment(wheel_file, tmp_path):
    python = make_environment(tmp_path / 'env')
    # A path without its .pth files: what is installed here in development mode is not seen, the packages are.
    [site] = (tmp_path / 'env').glob('lib/python3.*/site-packages')
    (site / 'packages.pth').write_text(sysconfig.get_path('purelib'))
    install(python, '--no-deps', wheel_file)
    (tmp_path / 'elsewhere').mkdir()
    check_that_it_trains(python, tmp_path / 'elsewhere')


def documented_installation() -> list[list[str]]:
    """Return the words of the commands in docs/install.md that install the default family."""
    text = (ROOT / 'docs' / 'install.md').read_text().split('### OneDL')[1].split('```')[1]
    return [shlex.split(line) for line in text.splitlines()[1:]]


@pytest.mark.slow
def test_the_documented_commands_are_enough(wheel_file, tmp_path):
    """Into an empty environment: torch, the wheel, mmcv's operators on torchvision's; then a training.

    One thing differs from the page: the versions of other packages are the measured ones, which uv has in its cache.
    """
    python = make_environment(tmp_path / 'env')
    measured = ['-c', 'requirements/constraints-onedl.txt', '--override', 'requirements/overrides.txt',
                '--config-settings-package', 'onedl-mmcv:ops=none', 'opencv-python-headless', 'setuptools<81']
    commands = documented_installation()
    assert [words[:2] for words in commands] == [['pip', 'install'], ['pip', 'install'], ['se-backbones', 'mmcv']]
    for words in commands[:2]:
        install(python, *(word.replace('.[', f'{wheel_file}[') for word in words[2:]), *measured)
    (tmp_path / 'elsewhere').mkdir()
    assert 'mmcv runs on the operators of torchvision' in run(python.parent / commands[2][0], *commands[2][1:],
                                                                     cwd=tmp_path / 'elsewhere')
    assert '\n0 would fail' in run(python, '-m', 'se_backbones', 'doctor', cwd=tmp_path / 'elsewhere')
    check_that_it_trains(python, tmp_path / 'elsewhere')

"""What is said before minutes are spent on a set-up."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import load_tool
from se_backbones.utils import openmmlab as hosts

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / 'tools' / 'misc' / 'check_setup.py'


@pytest.fixture(scope='module')
def check_setup():
    return load_tool('check_setup')


def environment(folder: Path, version: str = '3.11.7', *names: str) -> Path:
    folder.mkdir()
    (folder / 'pyvenv.cfg').write_text(f'home = /usr/bin\nversion = {version}\n')
    for name in names:
        (folder / 'lib' / 'python3.11' / 'site-packages' / name).mkdir(parents=True)
    return folder


def test_an_unsupported_python_is_named_with_one_that_will_do(check_setup):
    assert check_setup.check_python((3, 12), 'onedl') is None
    assert check_setup.check_python((3, 10), 'onedl') == (
        'Python 3.10 is not supported: use 3.11, 3.12, 3.13, for example `make setup PYTHON=python3.13`')
    assert 'use 3.11, for example' in check_setup.check_python((3, 12), 'openmmlab')


def test_a_python_without_ensurepip_is_told_the_package(check_setup):
    assert check_setup.check_venv_module(True, (3, 11)) is None
    assert 'apt-get install python3.11-venv' in check_setup.check_venv_module(False, (3, 11))


def test_an_environment_of_another_python_is_not_overwritten(check_setup, tmp_path):
    venv = environment(tmp_path / 'env')
    assert check_setup.check_same_python((3, 11), venv) is None
    assert check_setup.check_same_python((3, 11), tmp_path / 'none') is None
    assert 'holds Python 3.11, asked for is 3.12' in check_setup.check_same_python((3, 12), venv)


def test_two_families_in_one_environment_are_refused(check_setup, tmp_path):
    venv = environment(tmp_path / 'env', '3.11.7', 'mmcv_lite-2.1.0.dist-info', 'mmdet-3.3.0.dist-info')
    assert check_setup.check_family(venv, 'openmmlab') is None
    assert 'holds mmcv_lite, mmdet, which share their import names' in check_setup.check_family(venv, 'onedl')


def test_too_little_disk_is_said_in_gigabytes(check_setup):
    assert check_setup.check_disk(8 * 1024**3, False, '.venv') is None
    assert check_setup.check_disk(2 * 1024**3, False, '.venv') == (
        '2.0 GB are free where .venv goes, 8 GB are needed: free some space')
    assert check_setup.check_disk(2 * 1024**3, True, '.venv') is None


def test_it_knows_the_families_that_the_package_knows(check_setup):
    known = {family: {name.replace('-', '_') for names in modules.values() for name in names
                      if not name.endswith('*')} for family, modules in hosts.DISTRIBUTIONS.items()}
    for family, names in check_setup.NAMES.items():
        assert names and set(names) <= known[family]


def test_every_problem_is_one_line_and_the_exit_code_is_1(tmp_path):
    venv = environment(tmp_path / 'env', '3.9.1', 'mmdet-3.3.0.dist-info')
    done = subprocess.run([sys.executable, '-I', FILE, '--venv', venv], text=True, capture_output=True)
    assert done.returncode == 1 and [line.split()[0] for line in done.stderr.splitlines()] == ['set-up:', 'set-up:']

"""tools/every_python.py: which Python is tested where, and what is said of one that is not here."""

import importlib.util
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def every_python(monkeypatch, tmp_path):
    """The tool, in an empty project folder whose .venv holds Python 3.11."""
    monkeypatch.syspath_prepend(str(TOOLS))
    spec = importlib.util.spec_from_file_location('every_python', TOOLS / 'every_python.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / '.venv').mkdir()
    (tmp_path / '.venv' / 'pyvenv.cfg').write_text('version = 3.11.7\n')
    monkeypatch.setattr(module.setup_env, 'ROOT', tmp_path)
    yield module
    sys.modules.pop('setup_env', None)


def fake(path: Path, says: str, will_do: bool = True) -> Path:
    """Write a command that answers -V like a Python, and the set-up script's --suits by its exit code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n[ "$1" = -V ] && echo "Python {says}" && exit 0\nexit {int(not will_do)}\n')
    path.chmod(0o755)
    return path


def test_the_python_of_the_default_environment_is_tested_there_and_others_beside_it(every_python, tmp_path):
    assert every_python.folder('3.11') == tmp_path / '.venv'
    assert every_python.folder('3.12') == tmp_path / '.venv-py3.12'


def test_an_interpreter_that_is_not_on_the_path_is_found_where_pyenv_keeps_it(every_python, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    python = fake(tmp_path / '.pyenv/versions/3.12.1/bin/python3', '3.12.1')
    assert every_python.find_python('3.12', tmp_path) == str(python)


@pytest.mark.parametrize(('says', 'will_do'), [('3.10.2', True), ('3.12.1', False)], ids=['another', 'no headers'])
def test_a_python_that_will_not_do_is_not_taken(every_python, tmp_path, monkeypatch, says, will_do):
    fake(tmp_path / 'bin' / 'python3.12', says, will_do)
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:/usr/bin:/bin')
    monkeypatch.setattr(every_python, 'KEPT', ())
    monkeypatch.setattr(every_python.shutil, 'which', {'python3.12': str(tmp_path / 'bin' / 'python3.12')}.get)
    assert every_python.find_python('3.12', tmp_path) is None


def test_a_python_that_is_not_here_is_reported_as_not_run_and_does_not_fail_the_others(every_python, monkeypatch,
                                                                                       capsys):
    def find(version, home):
        return None if version == '3.12' else sys.executable
    monkeypatch.setattr(every_python, 'find_python', find)
    monkeypatch.setattr(every_python, 'test', lambda version, arguments, home, real=every_python.test: (
        real(version, arguments, home) if version == '3.12' else (True, '12 passed')))
    assert every_python.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        'Python 3.11: 12 passed', 'Python 3.12: not run: no Python 3.12 with venv and headers on this machine']


def test_one_python_that_fails_fails_the_whole(every_python, monkeypatch):
    outcomes = {'3.11': (True, ''), '3.12': (False, '')}
    monkeypatch.setattr(every_python, 'test', lambda version, arguments, home: outcomes[version])
    assert every_python.main([]) == 1
    outcomes.update({'3.11': (None, ''), '3.12': (None, '')})
    assert every_python.main([]) == 1

"""``se-backbones mmcv``: the file in mmcv's folder, in a made environment."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from se_backbones.mmcv_ext import command
from se_backbones.mmcv_ext import install as installer
from se_backbones.mmcv_ext.finder import OURS


@pytest.fixture
def mmcv(tmp_path, monkeypatch):
    """A folder ``mmcv`` with its list of files, as pip leaves them, which takes the place of the installed one."""
    folder, info = tmp_path / 'mmcv', tmp_path / 'mmcv-1.0.dist-info'
    folder.mkdir()
    info.mkdir()
    (folder / '__init__.py').write_text('')
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: mmcv\nVersion: 1.0\n')
    (info / 'RECORD').write_text('mmcv/__init__.py,,\nmmcv-1.0.dist-info/METADATA,,\nmmcv-1.0.dist-info/RECORD,,\n')
    monkeypatch.setattr(installer.importlib.util, 'find_spec', lambda name: (
        importlib.util.spec_from_file_location(name, folder / '__init__.py') if (folder / '__init__.py').exists()
        else namespace(folder)))
    distribution = importlib.metadata.Distribution.at(info)
    monkeypatch.setattr(installer.importlib.metadata, 'distributions', lambda: [distribution])
    return folder


def namespace(folder: Path) -> ModuleSpec | None:
    spec = ModuleSpec('mmcv', None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec if folder.exists() else None


def test_the_file_is_written_once_and_removed(mmcv, capsys):
    assert command.main(['install']) == 0 and (mmcv / '_ext.py').read_text() == OURS.read_text()
    assert command.main(['install']) == 0
    assert command.main(['uninstall']) == 0 and not (mmcv / '_ext.py').exists()
    assert command.main(['uninstall']) == 0
    path = mmcv / '_ext.py'
    assert capsys.readouterr().out.splitlines() == [
        f'wrote {path}: mmcv runs on the operators of torchvision', f'{path} is in place', f'removed {path}',
        'there is no such file']


def test_the_file_goes_when_mmcv_is_uninstalled(mmcv):
    installer.install()
    installer.uninstall()
    installer.install()
    record = (mmcv.parent / 'mmcv-1.0.dist-info' / 'RECORD').read_text()
    assert record.splitlines()[-1] == 'mmcv/_ext.py,,' and record.count('_ext.py') == 1


def test_an_older_file_of_ours_is_renewed(mmcv):
    (mmcv / '_ext.py').write_text('from se_backbones.mmcv_ext.elsewhere import *\n')
    assert installer.install().startswith('wrote ')


def test_a_file_of_somebody_else_stays(mmcv, capsys):
    (mmcv / '_ext.py').write_text('mine = True\n')
    for action in ('install', 'uninstall'):
        assert command.main([action]) == 1 and (mmcv / '_ext.py').read_text() == 'mine = True\n'
        assert f'{mmcv / "_ext.py"} is not a file of se_backbones' in capsys.readouterr().err


def test_compiled_operators_that_do_not_load_are_an_error(mmcv, capsys):
    (mmcv / f'_ext{sysconfig.get_config_var("EXT_SUFFIX")}').write_bytes(b'')
    assert command.main(['install']) == 1
    assert capsys.readouterr().err.startswith('error: mmcv has compiled operators that do not load (')


def test_a_list_of_files_that_cannot_be_written_is_no_error(mmcv):
    (mmcv.parent / 'mmcv-1.0.dist-info' / 'RECORD.partial').mkdir()
    assert installer.install().startswith('wrote ') and (mmcv / '_ext.py').exists()


def test_compiled_operators_need_no_file(mmcv, monkeypatch):
    monkeypatch.setattr(installer, 'is_compiled', lambda module: True)
    name = f'_ext{sysconfig.get_config_var("EXT_SUFFIX")}'
    (mmcv / name).write_bytes(b'')
    assert installer.install() == f'mmcv has compiled operators ({name}): nothing to do'
    assert not (mmcv / '_ext.py').exists()


def test_without_mmcv_nothing_is_written(mmcv, capsys):
    (mmcv / '__init__.py').unlink()
    assert command.main(['install']) == 1
    assert capsys.readouterr().err == 'error: mmcv is not installed: pip install onedl-mmcv (or mmcv-lite)\n'
    assert installer.left_over() is None


def test_what_an_uninstalled_mmcv_left_behind_is_found_and_removed(mmcv):
    installer.install()
    (mmcv / '__init__.py').unlink()
    assert installer.left_over() == mmcv / '_ext.py'
    installer.uninstall()
    assert installer.left_over() is None


def test_a_folder_that_cannot_be_written_is_one_line(mmcv, capsys, monkeypatch):
    def write_text(path, text):
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr(installer.atomic, 'write_text', write_text)
    assert command.main(['install']) == 1
    assert capsys.readouterr().err == (f'error: {mmcv / "_ext.py"} cannot be written (Permission denied); scripts that '
                                       'import se_backbones before mmcv need no file\n')


def test_the_file_without_this_package_says_what_is_missing(tmp_path):
    (tmp_path / '_ext.py').write_text(OURS.read_text())
    done = subprocess.run([sys.executable, '-I', '-c', f'import sys; sys.path[:0] = [{str(tmp_path)!r}]\n'
                           'sys.modules["se_backbones"] = None\nimport _ext'], text=True, capture_output=True)
    assert 'ImportError: mmcv has no compiled operators here, and se_backbones, on which' in done.stderr

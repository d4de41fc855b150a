"""``mmcv/_ext.py``: two imports in mmcv's folder, so that every script finds operators, whatever it imports first."""

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from se_backbones.mmcv_ext.finder import NAME, OURS, is_compiled
from se_backbones.utils import atomic


class InstallError(Exception):
    """Why nothing was changed, in one line."""


def mmcv_folder() -> Path | None:
    """Return the folder of the package mmcv, or None; a folder without ``__init__.py`` is a left-over, no package."""
    spec = importlib.util.find_spec('mmcv')
    return Path(spec.origin).parent if spec and spec.origin else None


def left_over() -> Path | None:
    """Return the ``_ext.py`` of an mmcv that is gone: with it alone, ``import mmcv`` finds an empty package."""
    spec = importlib.util.find_spec('mmcv')
    folders = spec.submodule_search_locations if spec and not spec.origin else ()
    return next((path for folder in folders or () if (path := Path(folder) / '_ext.py').exists()), None)


def compiled_file(folder: Path) -> Path | None:
    """Return the compiled operators in mmcv's folder, which Python prefers to a file in Python."""
    return next((path for suffix in EXTENSION_SUFFIXES if (path := folder / f'_ext{suffix}').exists()), None)


def install() -> str:
    """Put the file in place, or leave an mmcv that is compiled as it is; return what happened.

    Raises:
        InstallError: There is no mmcv, the folder cannot be written, or it holds another file of this name.
    """
    folder = mmcv_folder()
    if folder is None:
        raise InstallError('mmcv is not installed: pip install onedl-mmcv (or mmcv-lite)')
    compiled = compiled_file(folder)
    if compiled and is_compiled(importlib.import_module(NAME)):
        return f'mmcv has compiled operators ({compiled.name}): nothing to do'
    if compiled:
        raise InstallError(f'mmcv has compiled operators that do not load ({compiled}), and Python prefers them to any '
                           'file: reinstall mmcv as se-backbones doctor says')
    target = folder / '_ext.py'
    if target.exists() and not _is_ours(target):
        raise InstallError(f'{target} is not a file of se_backbones: delete it if nothing needs it')
    text = OURS.read_text()
    if target.exists() and target.read_text() == text:
        return f'{target} is in place'
    try:
        atomic.write_text(target, text)
    except OSError as error:
        raise InstallError(f'{target} cannot be written ({error.strerror}); scripts that import se_backbones before '
                           'mmcv need no file') from None
    with suppress(OSError, UnicodeError):  # without an entry the file stays when mmcv goes, and the doctor names it
        _record(target)
    return f'wrote {target}: mmcv runs on the operators of torchvision'


def uninstall() -> str:
    """Remove the file; return what happened.

    Raises:
        InstallError: It is somebody else's, or cannot be removed.
    """
    folder = mmcv_folder()
    target = folder / '_ext.py' if folder else left_over()
    if target is None or not target.exists():
        return 'there is no such file'
    if not _is_ours(target):
        raise InstallError(f'{target} is not a file of se_backbones: it stays')
    try:
        target.unlink()
    except OSError as error:
        raise InstallError(f'{target} cannot be removed ({error.strerror})') from None
    return f'removed {target}'


def expect(operators: str) -> None:
    """Import ``mmcv._ext`` and see whether it is ``'compiled'`` or ``'torchvision'``.

    Raises:
        InstallError: It is the other one.
    """
    module = importlib.import_module(NAME)
    found = 'compiled' if is_compiled(module) else 'torchvision'
    if found != operators:
        raise InstallError(f'mmcv runs on the operators of {module.__file__} ({found}), expected: {operators}')


def _is_ours(path: Path) -> bool:
    return 'se_backbones.mmcv_ext' in path.read_text(errors='replace')


def _record(target: Path) -> None:
    """Enter the file into the list of mmcv's files, so that it goes when mmcv is uninstalled."""
    for record in _records(target.parent):
        lines = record.read_text()
        entry = os.path.relpath(target, record.parents[1])
        if f'{entry},' not in lines:
            atomic.write_text(record, f'{lines.rstrip()}\n{entry},,\n')


def _records(folder: Path) -> Iterator[Path]:
    for distribution in importlib.metadata.distributions():
        files = distribution.files or ()
        if any(distribution.locate_file(file).parent == folder for file in files if file.name == '__init__.py'):
            yield from (Path(distribution.locate_file(file)) for file in files
                        if file.name == 'RECORD' and file.parent.suffix == '.dist-info')

"""Write a generated dataset so that a half-made one is never seen and nothing of the user's is overwritten.

The files are written into a hidden sibling of the target and renamed at the end, together with an identity file that
holds the parameters and the name of every file. The identity file answers three questions later: is it what is
asked for (then there is nothing to do), is it ours (then ``force`` may replace it), and is all of it still there.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from se_backbones.utils import atomic
from se_backbones.utils.validation import int_from

MAKER = 'se_backbones'


class MadeFolder(NamedTuple):
    """What a ``make_*`` function of this package returns.

    Attributes:
        root (Path): The folder of the dataset, absolute.
        made (bool): False when the same dataset was there already and nothing was written.
        counts (dict): Per split, the number of images and of objects, e.g. ``{'train': {'images': 9, 'digits': 21}}``.
    """

    root: Path
    made: bool
    counts: dict


def at_least(least: int, key: str, value) -> int:
    """Return an integer setting, NumPy's too, as an int, else raise ValueError."""
    return int_from(least, key, int(value) if isinstance(value, np.integer) else value)


def make_folder(root, kind: str, version: int, parameters: dict, write: Callable[[Path], dict],
                force: bool = False) -> MadeFolder:
    """Make the folder ``root`` by ``write``, whole or not at all.

    Args:
        root (str | Path): The folder to make; its parents are created. It may exist when it is empty.
        kind (str): Name of the dataset; the identity file is ``<root>/<kind>.json``.
        version (int): Version of the generator: another version makes other files from the same parameters.
        parameters (dict): All that decides the content, in values that JSON keeps as they are.
        write (Callable): Called with an empty folder, writes the dataset there and returns the counts.
        force (bool): Replace a folder that this function made with other parameters, and that holds no other file.

    Returns:
        MadeFolder: ``made`` is False when ``root`` held the same dataset already.

    Raises:
        FileExistsError: ``root`` holds something else, the same dataset with other parameters or with files missing
            (without ``force``), or files beside ours (also with ``force``).
    """
    root = Path(root).expanduser().resolve()
    wanted = {'made_by': MAKER, 'kind': kind, 'version': version, 'parameters': parameters}
    found = _present(root, wanted, force)
    if found is not None:
        return MadeFolder(root, False, found['counts'])

    root.parent.mkdir(parents=True, exist_ok=True)
    working = Path(tempfile.mkdtemp(prefix=f'.{root.name}.', suffix=atomic.PARTIAL, dir=root.parent))
    try:
        content = working / 'content'  # made by mkdir, so that it has the user's permissions, not mkdtemp's 0700
        content.mkdir()
        counts = write(content)
        identity = dict(wanted, counts=counts, files=_files(content))
        (content / f'{kind}.json').write_text(json.dumps(identity, indent=1) + '\n')
        if not _swap_in(content, root, working / 'replaced', wanted, force):
            return MadeFolder(root, False, counts)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return MadeFolder(root, True, counts)


def _present(root: Path, wanted: dict, force: bool) -> dict | None:
    """Return the identity of what is at ``root`` when it is what is wanted, None when ``root`` is free to be made."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    identity = _read_identity(root, wanted['kind'])
    if identity is None:
        raise FileExistsError(f'{root} exists and was not made by make_{wanted["kind"]} (it has no '
                              f'{wanted["kind"]}.json of ours): choose another folder')
    files = set(_files(root)) - {f'{wanted["kind"]}.json'}
    missing = set(identity['files']) - files
    differences = _differences(identity, wanted)
    if not differences and not missing:
        return identity
    if not force:
        reason = (f'has {len(missing)} files missing, {min(missing)} among them' if not differences else
                  'was made with ' + ', '.join(differences))
        raise FileExistsError(f'{root} {reason}: choose another folder, or replace this one with force (--force)')
    others = files - set(identity['files'])
    if others:
        raise FileExistsError(f'{root} holds {len(others)} files that make_{wanted["kind"]} did not write, '
                              f'{min(others)} among them: move them away, or choose another folder')
    return None


def _read_identity(root: Path, kind: str) -> dict | None:
    try:
        identity = json.loads((root / f'{kind}.json').read_text())
    except (OSError, ValueError):
        return None
    keys = {'made_by', 'kind', 'version', 'parameters', 'counts', 'files'}
    if not isinstance(identity, dict) or not keys <= set(identity):
        return None
    return identity if (identity['made_by'], identity['kind']) == (MAKER, kind) else None


def _differences(identity: dict, wanted: dict) -> list[str]:
    """Name each setting that differs, e.g. ``seed=1 (asked for: 0)``."""
    have, want = ({'version': i['version'], **i['parameters']} for i in (identity, wanted))
    return [f'{key}={have.get(key)!r} (asked for: {want.get(key)!r})' for key in {**want, **have}
            if have.get(key) != want.get(key)]


def _files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob('*')
                  if path.is_symlink() or not path.is_dir())


def _swap_in(content: Path, root: Path, replaced: Path, wanted: dict, force: bool) -> bool:
    """Rename ``content`` to ``root``; False when another process made the same dataset in the meantime."""
    if _present(root, wanted, force) is not None:
        return False
    had_root = root.exists()
    if had_root:
        os.rename(root, replaced)
    try:
        os.rename(content, root)
    except BaseException:
        if had_root:
            os.rename(replaced, root)
        raise
    return True

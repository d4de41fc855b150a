"""A lock on the work dir: two trainings would overwrite each other's checkpoints."""

import os
import socket
from pathlib import Path

from se_backbones.utils.file_lock import try_lock, unlock

LOCK = '.training.lock'

# Descriptors of the locks by folder.
_held: dict[str, int] = {}


class FolderInUseError(RuntimeError):
    """Another process trains in this folder."""


def lock_work_dir(folder: str | Path) -> None:
    """Keep other processes from training in a folder, until :func:`unlock_work_dir` or the end of this process.

    It does not matter how the process ends; those that are forked from it do not hold the lock, so that the run can be
    resumed at once. In the same process it may be taken again.

    Args:
        folder: An existing one. A small file in it says who is there; it stays.

    Raises:
        FolderInUseError: Another process has locked it.
        OSError: The folder cannot be written.
    """
    key, path = os.path.realpath(folder), Path(folder) / LOCK
    if key in _held:
        return
    try:
        descriptor = try_lock(path)
    except BlockingIOError:
        holder = path.read_text(errors='replace').strip()
        raise FolderInUseError(
            f'{folder} is in use by another training{f" ({holder})" if holder else ""}: both would save checkpoints '
            'under the same names. Wait for it to end, or give this one a work_dir of its own.') from None
    if descriptor is None:
        return  # who starts two trainings there is not told
    _held[key] = descriptor
    path.write_text(f'process {os.getpid()} on {socket.gethostname()}')


def unlock_work_dir(folder: str | Path) -> None:
    """Let other processes train in a folder; nothing happens if it was not locked."""
    descriptor = _held.pop(os.path.realpath(folder), None)
    if descriptor is not None:
        unlock(descriptor)


os.register_at_fork(after_in_child=_held.clear)

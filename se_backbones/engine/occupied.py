"""One training in a folder: two would save checkpoints under the same names, and remove each other's."""

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import IO

LOCK = '.training.lock'

# File systems without locks: some mounts of NFS and Lustre. There, who starts two trainings is not told.
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
_held: dict[str, IO] = {}


class FolderInUseError(RuntimeError):
    """Another process trains in this folder."""


def occupy(folder: str | Path) -> None:
    """Keep other processes from training in a folder, until :func:`leave` or the end of this process, however it ends.

    A lock of ``lockf`` belongs to one process: data-loader workers that outlive a killed training by some seconds do
    not hold it, so that the run can be resumed at once. In the same process it may be taken again.

    Args:
        folder: An existing one. A small file in it says who is there; it stays.

    Raises:
        FolderInUseError: Another process has occupied it.
        OSError: The folder cannot be written.
    """
    key = os.path.realpath(folder)
    if key in _held:
        return
    file = open(Path(folder) / LOCK, 'a+')
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        if error.errno in _UNSUPPORTED:
            return
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        raise FolderInUseError(
            f'{folder} is in use by another training{f" ({holder})" if holder else ""}: both would save checkpoints '
            'under the same names. Wait for it to end, or give this one a work_dir of its own.') from None
    file.truncate(0)
    file.write(f'process {os.getpid()} on {socket.gethostname()}')
    file.flush()
    _held[key] = file


def leave(folder: str | Path) -> None:
    """Let other processes train in a folder; nothing happens if it was not occupied."""
    file = _held.pop(os.path.realpath(folder), None)
    if file:
        file.close()

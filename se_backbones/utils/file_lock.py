"""File locks that the kernel releases when their holder dies.

``filelock`` does not do: it opens lock files for writing, so that a disk on which a training runs cannot be remounted
read-only, and where a file system has no locks it makes one of a file, which outlives a kill.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Seconds between two looks at a lock that is held, and between two lines that say so.
POLL = 0.2
REMIND = 60.0

# File systems without locks: some mounts of NFS and Lustre, some network drives.
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)

_held: set[int] = set()


def try_lock(path: str | Path) -> int | None:
    """Lock a file against all other processes and threads; it is made if it is not there, a link is not followed.

    Processes that are forked from this one, as data-loader workers, which outlive a killed training by some seconds, do
    not hold it.

    Returns:
        A descriptor for :func:`unlock`; None on a file system without locks. If possible one that cannot write, for a
        disk with files open for writing cannot be remounted read-only.

    Raises:
        BlockingIOError: It is locked.
        OSError: It cannot be made.
    """
    try:
        try:
            descriptor = _lock(path, os.O_RDONLY)
        except OSError as error:
            if error.errno != errno.EBADF:  # NFS locks only what may be written
                raise
            descriptor = _lock(path, os.O_RDWR)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise
    _held.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Unlock what :func:`try_lock` locked in this process."""
    if descriptor in _held:
        _held.remove(descriptor)
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, purpose: str) -> Iterator[bool]:
    """Hold a lock file while the block runs; yield whether it is held: False on a file system without locks.

    Threads, processes and, where the file system carries locks between them, nodes exclude one another.

    Args:
        path: Of the lock file. Left behind: only one who has made the lock needless may delete it.
        purpose: What the others do meanwhile, for the log of those who wait: ``'to download x.pth'``.

    Raises:
        OSError: The lock file cannot be made.
    """
    descriptor = _wait(path, purpose)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            unlock(descriptor)


def _wait(path: Path, purpose: str) -> int | None:
    remind = time.monotonic()
    while True:
        try:
            descriptor = try_lock(path)
        except BlockingIOError:
            if time.monotonic() >= remind:
                from mmengine.logging import print_log  # imports torch
                print_log(f'Waiting for another process {purpose}; it holds {path}.', logger='current')
                remind = time.monotonic() + REMIND
            time.sleep(POLL)
            continue
        if descriptor is None or os.fstat(descriptor).st_nlink:
            return descriptor
        unlock(descriptor)  # whoever held it has deleted it: nobody else will find this one


def _lock(path: str | Path, access: int) -> int:
    descriptor = os.open(path, access | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _forget() -> None:
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_forget)

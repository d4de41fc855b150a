"""A lock on a file that the kernel takes back when its holder dies, however it dies."""

import errno
import fcntl
import os
from pathlib import Path

# File systems without locks: some mounts of NFS and Lustre, some network drives.
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


def try_lock(path: str | Path) -> int | None:
    """Lock a file, which is made if it is not there, against all other processes and descriptors.

    Returns:
        A descriptor, closing which unlocks the file; None on a file system without locks. If possible one that cannot
        write, for a disk with files open for writing cannot be remounted read-only.

    Raises:
        BlockingIOError: It is locked.
        OSError: It cannot be made.
    """
    try:
        try:
            return _lock(path, os.O_RDONLY)
        except OSError as error:
            if error.errno != errno.EBADF:  # NFS locks only what may be written
                raise
            return _lock(path, os.O_RDWR)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def _lock(path: str | Path, access: int) -> int:
    descriptor = os.open(path, access | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

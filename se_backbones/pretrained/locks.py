"""One process at a time: a lock that the kernel takes back when its holder dies, however it dies."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.logging import print_log

# Seconds between two looks at a lock that is held, and between two lines that say so.
POLL = 0.2
REMIND = 60.0

# File systems without locks: some mounts of NFS and Lustre, some network drives.
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def exclusive(path: Path, purpose: str) -> Iterator[bool]:
    """Hold the lock file while the block runs; yield whether it is held: False on a file system without locks.

    Threads, processes and, where the file system carries locks between them, nodes exclude one another.

    Args:
        path: Of the lock file, made if it is not there; a link is not followed. Left behind: only one who has made the
            lock needless may delete it.
        purpose: What the others do meanwhile, for the log of those who wait: ``'to download x.pth'``.

    Raises:
        OSError: The lock file cannot be made.
    """
    lock = FileLock(path)
    held = _wait(lock, purpose)
    try:
        yield held
    finally:
        if held:
            lock.release()


def _wait(lock: FileLock, purpose: str) -> bool:
    patience = 0.0
    while True:
        try:
            lock.acquire(timeout=patience, poll_interval=POLL)
            return True
        except Timeout:
            print_log(f'Waiting for another process {purpose}; it holds {lock.lock_file}.', logger='current')
            patience = REMIND
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise

"""One process at a time: a lock that the kernel takes back when its holder dies, however it dies."""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log

# Seconds between two looks at a lock that is held, and between two lines that say so.
POLL = 0.2
REMIND = 60.0

# File systems without locks: some mounts of NFS and Lustre, some network drives.
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def exclusive(lock: Path, purpose: str) -> Iterator[bool]:
    """Hold the lock file while the block runs; yield whether it is held: False on a file system without locks.

    Threads, processes and, where the file system carries locks between them, nodes exclude one another.

    Args:
        lock: Made if it is not there. Left behind: only one who has made the lock needless may delete it.
        purpose: What the others do meanwhile, for the log of those who wait: ``'to download x.pth'``.

    Raises:
        OSError: The lock file cannot be made.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = _wait(descriptor, lock, purpose)
        try:
            yield held
        finally:
            if held:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, lock: Path, purpose: str) -> bool:
    remind = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise
        if time.monotonic() >= remind:
            print_log(f'Waiting for another process {purpose}; it holds {lock}.', logger='current', level=logging.INFO)
            remind += REMIND
        time.sleep(POLL)

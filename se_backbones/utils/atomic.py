"""Files that a kill, a crash or a full disk leaves whole: written beside their place, synced, renamed into it.

POSIX' ``rename`` is atomic: at every moment the name stands for the old content or for the new one. Without a sync
before it a file system may write the name before the content, which after a power failure leaves an empty file.
"""

import os
from contextlib import suppress
from pathlib import Path

# Not `.pth`: nothing that looks for checkpoints finds an unfinished one.
PARTIAL = '.partial'


def partial(path: str | Path) -> str:
    """Return the name under which ``path`` is written until it is complete."""
    return f'{path}{PARTIAL}'


def commit(path: str | Path) -> None:
    """Give the complete file ``partial(path)`` its name; what had this name is replaced.

    Raises:
        OSError: It could not be brought to the disk; ``path`` is as it was.
    """
    _sync(partial(path), os.O_RDWR)
    os.replace(partial(path), path)
    with suppress(OSError):  # some network file systems cannot sync folders, and order renames themselves
        _sync(Path(path).parent, os.O_RDONLY)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file so that it holds the old text or the new one, whenever the process dies."""
    Path(partial(path)).write_text(text)
    commit(path)


def _sync(path: str | Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files that a kill, a crash or a full disk leaves whole: written beside their place, synced, renamed into it.

POSIX' ``rename`` is atomic: at every moment the name stands for the old content or for the new one. Without a sync
before it a file system may write the name before the content, which after a power failure leaves an empty file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Not `.pth`: nothing that looks for checkpoints finds an unfinished one.
PARTIAL = '.partial'


def partial(path: str | Path) -> str:
    """Return the name under which ``path`` is written until it is complete."""
    return f'{path}{PARTIAL}'


def commit(path: str | Path, part: str | Path | None = None) -> None:
    """Give the complete file ``part``, by default ``partial(path)``, its name; what had this name is replaced.

    Raises:
        OSError: It could not be brought to the disk; ``path`` is as it was.
    """
    part = part or partial(path)
    _sync(part, os.O_RDWR)
    os.replace(part, path)
    with suppress(OSError):  # some network file systems cannot sync folders, and order renames themselves
        _sync(Path(path).parent, os.O_RDONLY)


@contextmanager
def writing(path: str | Path, new: bool = False, suffix: str = '') -> Iterator[Path]:
    """Yield a path to write to, and give the file its name at the end; after an error nothing is left.

    Args:
        path: Of the file.
        new: Whether nothing may be replaced; see :func:`check_new`.
        suffix: Ends the yielded path too, for writers that choose the format by it.

    Raises:
        FileExistsError: ``new``, and the file exists.
        OSError: It cannot be written; ``path`` is as it was.
    """
    if new:
        check_new(path)
    part = Path(f'{partial(path)}{suffix}')
    try:
        yield part
        commit(path, part)
    except OSError as error:
        if error.errno and error.filename in (None, str(part)):  # a full disk names no file
            error.filename = str(path)
        raise
    except RuntimeError as error:
        if 'inline_container' in str(error):  # torch.save's, which says nothing of the disk
            raise OSError(f'{path} could not be written; its disk may be full.') from error
        raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file so that it holds the old text or the new one, whenever the process dies."""
    with writing(path) as part:
        part.write_text(text, encoding='utf-8')


def check_new(path: str | Path) -> Path:
    """Return the path of a file that can be written without replacing anything.

    Raises:
        FileExistsError: It exists.
        FileNotFoundError: Its folder does not.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f'{path} exists and is not overwritten; remove it or choose another name.')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'There is no folder {path.parent}.')
    return path


def _sync(path: str | Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

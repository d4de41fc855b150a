"""Which checkpoint a run resumes from: the newest intact one."""

import logging
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mmengine.logging import print_log

POINTER = 'last_checkpoint'
# Files of torch before 1.6, which have no checksums.
_OLD_PICKLE = b'\x80'


class DamagedCheckpointError(RuntimeError):
    """A checkpoint to resume from is damaged, and there is no intact one before it."""


def damage(path: str | Path) -> str | None:
    """Return what is wrong with a checkpoint file as the end of "... is damaged: ", or None.

    The checksum of every tensor is compared, which torch does not do when it loads. Folders, as DeepSpeed writes them,
    and torch's old format have none and count as whole. Reads the whole file, in little memory.
    """
    try:
        if os.path.isdir(path):
            return None
        with open(path, 'rb') as file:
            if file.read(1) == _OLD_PICKLE:
                return None
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except FileNotFoundError:
        return 'it does not exist'
    except Exception as error:
        # A damaged archive fails in as many ways as its reader can.
        return f'it is empty or truncated ({error})'
    return f'the checksum of {broken!r} is wrong' if broken else None


def last_checkpoint(work_dir: str | Path, folder: str | Path | None = None) -> str | None:
    """Return the checkpoint that ``last_checkpoint`` names; None: no such file.

    Where this folder, or the one of the checkpoints, has a file of that name it is that one: the folder may have been
    moved, and another run may have begun in its old place. ``last_checkpoint`` may be empty, and what it names may be
    gone.
    """
    pointer = Path(work_dir) / POINTER
    if not pointer.is_file():
        return None
    named = pointer.read_text(errors='replace').strip()
    if not named or '://' in named:
        return named
    here = [Path(place) / os.path.basename(named) for place in (folder, work_dir) if place]
    return next((str(path) for path in here if path.exists()), named)


def newest_intact(work_dir: str | Path, folder: str | Path | None = None, template: str = 'epoch_{}.pth') -> str | None:
    """Return the checkpoint to resume from, or None where no run has saved one yet.

    It is the one that ``last_checkpoint`` names; where that is damaged or gone, the highest-numbered intact one before
    it, and a warning names each that was passed over.

    Args:
        work_dir: The folder of ``last_checkpoint``.
        folder: The folder of the checkpoints where ``last_checkpoint`` names none; default: ``work_dir``.
        template: The names of checkpoints; ``{}`` stands for the epoch or iteration.

    Raises:
        DamagedCheckpointError: There are checkpoints, or a ``last_checkpoint``, but none is whole.
    """
    pointer, named = Path(work_dir) / POINTER, last_checkpoint(work_dir, folder)
    if named and '://' in named:
        return named  # a remote backend; its own errors tell
    folder = str(folder or work_dir)
    if named and os.path.isdir(os.path.dirname(named) or '.'):
        folder = os.path.dirname(named)
    problems = []
    for path in _candidates(named, folder, template):
        problem = damage(path)
        if problem is None:
            for text in problems:
                print_log(f'{text}. Resuming from {path}, the one before.', logger='current', level=logging.WARNING)
            return path
        problems.append(f'{path} is damaged: {problem}')
    if named is None and not problems:
        return None
    problems = problems or [f'{pointer} is damaged: it is empty']
    raise DamagedCheckpointError(
        '\n'.join([f'There is no intact checkpoint in {folder} to resume from:',
                   *(f'    {text}' for text in problems),
                   f'To begin again, remove {pointer} and these files. max_keep_ckpts=2 keeps one to fall back on.']))


def _candidates(named: str | None, folder: str, template: str) -> Iterator[str]:
    """Yield what ``last_checkpoint`` names, then the ones before it, the newest first."""
    if named:
        yield named
    pattern = re.compile(r'(\d+)'.join(map(re.escape, template.split('{}'))))

    def number(name: str) -> int | None:
        match = pattern.fullmatch(name)
        return int(match[1]) if match else None

    limit = number(os.path.basename(named)) if named else None
    numbers = {number(name): name for name in (os.listdir(folder or '.') if os.path.isdir(folder or '.') else ())}
    for count in sorted((n for n in numbers if n is not None and (limit is None or n < limit)), reverse=True):
        path = os.path.join(folder, numbers[count])
        if path != named:
            yield path

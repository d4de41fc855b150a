"""Download progress: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.logging import print_log
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

# Seconds between two lines in a log.
LOG_EVERY = 10.0


@contextmanager
def progress(file: str, total: int | None, done: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many bytes there are by now.

    Args:
        file: What is downloaded.
        total: Its size in bytes; None: not known.
        done: Bytes that are already there.
    """
    if sys.stderr.isatty():
        columns = TextColumn('{task.description}'), BarColumn(), DownloadColumn(), TransferSpeedColumn(), \
            TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(file, total=total, completed=done)
            yield lambda now: bar.update(task, completed=now)
    else:
        due = time.monotonic()

        def log(now: int) -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + LOG_EVERY
                print_log(f'{file}: {_megabytes(now)} of {_megabytes(total)}', logger='current')
        log(done)
        yield log


def _megabytes(size: int | None) -> str:
    return 'unknown size' if size is None else f'{size / 1e6:.1f} MB'

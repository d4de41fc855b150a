"""Parts of tests in processes of their own: with little memory, and as two ranks that train together."""

import faulthandler
import multiprocessing
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch


def exit_code(run: Callable[[], object], memory: int = 2**30, seconds: float = 60) -> int | None:
    """Run a function in a fork of this process that may take so many bytes more, and return how that ended.

    Returns:
        0; 1 after an exception, with its traceback on stderr; the negative number of the signal that ended it; None if
        it did not end within these seconds.
    """
    def limited():
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        torch.set_num_threads(1)  # a fork has none of its parent's threads, which a parallel region would wait for
        pages = int(Path('/proc/self/statm').read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory,) * 2)
        run()
    process = multiprocessing.get_context('fork').Process(target=limited, daemon=True)
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


def run_ranks(file: str, *arguments: object, seconds: float = 240) -> None:
    """Run a file of tests as two programs that train together: its ``__main__`` is given a rank and these arguments.

    New processes, not forks: those of a process that has computed lack its threads, and wait for them for ever.
    """
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join(path))
    ranks = [subprocess.Popen([sys.executable, '-W', 'ignore', file, str(rank), *map(str, arguments)], env=environment)
             for rank in (0, 1)]
    try:
        assert [rank.wait(seconds) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()

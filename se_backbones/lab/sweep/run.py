"""Train the runs of a matrix one after the other, each in a process of its own.

The processes are forked from a server that has imported the host library once, so that a run of seconds does not pay
for imports of seconds, and that a run that dies takes nothing with it.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner

from se_backbones.engine.preflight import check_config
from se_backbones.engine.resume import POINTER
from se_backbones.lab.launch import never_lose_checkpoints
from se_backbones.lab.sweep.plan import LOG, RESULT, Run, digest
from se_backbones.utils import atomic

HOST_PARTS = ('datasets', 'engine', 'evaluation', 'models', 'visualization')


class Outcome(NamedTuple):
    """What became of a run: its result, or the last line of its log; ``new`` is False where it was done before."""

    run: Run
    result: dict | None
    error: str
    new: bool


class OutdatedResultError(ValueError):
    """A result was found under the name of a run with other settings."""


def run_all(runs: Sequence[Run]) -> Iterator[Outcome]:
    """Yield the outcome of each run; what is done already is not trained again.

    A run that was cut short goes on from its newest checkpoint, and starts anew where its config saves none.

    Raises:
        OutdatedResultError: Before anything is trained; a result is there, but the config or the options have changed.
        ConfigProblem: Before anything is trained; data is missing, or a config cannot run.
    """
    settings = {run.config: run.settings() for run in {run.config: run for run in runs}.values()}
    digests = {config: digest(cfg) for config, cfg in settings.items()}
    for cfg in settings.values():
        check_config(cfg, ('train', 'val'))
    for run in runs:
        if (found := run.result()) and found['digest'] != digests[run.config]:
            raise OutdatedResultError(f'{run.folder / RESULT} is of other settings than {run.config} has now: remove '
                                      f'{run.folder} to train it again, or give another folder.')
    server = _server({cfg.get('default_scope') for cfg in settings.values()} - {None})
    for run in runs:
        done = run.result()
        if done is None:
            yield _train_apart(run, server)
        else:
            yield Outcome(run, done, '', new=False)


def _server(scopes: Collection[str]) -> multiprocessing.context.BaseContext:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['se_backbones.lab.sweep.run', 'se_backbones.models.backbones', *(
        f'{scope}.{part}' for scope in sorted(scopes) for part in HOST_PARTS)])
    return context


def _train_apart(run: Run, server: multiprocessing.context.BaseContext) -> Outcome:
    run.folder.mkdir(parents=True, exist_ok=True)
    process = server.Process(target=_main, args=(run,), name=f'{run.config.stem}, seed {run.seed}')
    process.start()
    try:
        process.join()
    except BaseException:
        process.terminate()
        process.join()
        raise
    result = run.result()
    return Outcome(run, result, '' if result else _last_words(run, process.exitcode), new=True)


def _last_words(run: Run, code: int) -> str:
    lines = (run.folder / LOG).read_text(errors='replace').strip().splitlines() if (run.folder / LOG).exists() else []
    if code < 0:
        return f'killed by {signal.Signals(-code).name}'
    return lines[-1] if lines else f'ended with exit code {code}'


def _main(run: Run) -> None:
    """What the process of a run does: its output goes to the run's log."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(run.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    result = train(run)
    atomic.write_text(run.folder / RESULT, json.dumps(result, indent=1) + '\n')


def _end_with_parent() -> None:
    # A run whose matrix was killed would train on beside the next one, in the same folder.
    multiprocessing.parent_process().join()
    os._exit(1)


class _LastMetrics(Hook):
    """Keeps what the last validation found."""

    def __init__(self):
        self.metrics: dict[str, float] = {}

    def after_val_epoch(self, runner, metrics=None):
        self.metrics = {name: float(value) for name, value in (metrics or {}).items()}


def train(run: Run) -> dict:
    """Train one run in this process and return its result.

    Returns:
        dict: ``digest``, ``config``, ``seed``, ``metrics`` of the last validation, ``parameters`` of the model, and
        ``seconds`` from building the runner to the end, None where an earlier process had done a part.
    """
    begin = time.perf_counter()
    cfg = run.load()
    never_lose_checkpoints(cfg)
    # mmengine keeps objects by the name of the experiment; a time stamp alone may be that of the run before.
    cfg.experiment_name = f'{run.config.stem}_seed_{run.seed}_{os.getpid()}'
    cfg.resume = True
    resumes = (run.folder / POINTER).exists()
    runner = Runner.from_cfg(cfg)
    last = _LastMetrics()
    runner.register_hook(last, priority='LOWEST')
    runner.train()
    if not last.metrics:
        raise ValueError(f'{run.config} has no validation after its last iteration: there is nothing to compare.')
    return dict(digest=digest(run.settings()), config=run.config.name, seed=run.seed, metrics=last.metrics,
                parameters=sum(parameter.numel() for parameter in runner.model.parameters()),
                seconds=None if resumes else round(time.perf_counter() - begin, 2))

"""A sweep: many configs with several seeds each, trained one after the other, as a table and a picture.

Each run is a process of its own, forked from a server that has imported the host library once: a run of seconds does
not pay for imports of seconds, and a run that dies takes nothing with it. ``result.json`` in its folder says that it is
done.
"""

import hashlib
import json
import math
import multiprocessing
import os
import signal
import statistics
import sys
import threading
import time
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from se_backbones.lab.analysis.curves import VALIDATION
from se_backbones.lab.pictures.colours import colour
from se_backbones.lab.pictures.figures import legend_below, panels, save, tidy
from se_backbones.utils import atomic
from se_backbones.utils.validation import first_few, known_keys, one_of

RESULT, LOG, DIGEST = 'result.json', 'log.txt', 'digest.txt'


class Sweep(NamedTuple):
    """What is trained, and how it is shown.

    Attributes:
        configs: The config files by their names.
        tables: ``[{'name': ..., 'rows': [{'row': ..., 'config': name}, ...]}, ...]``; a config may stand in several.
        baseline: Name of the config that the others are compared with.
        metric: Its name in the log, such as ``'accuracy/top1'``; None: the first known one that is logged.
        what: What the metric is, for headings.
        paired: Whether runs of one seed differ in nothing but the network: the layers that the baseline's network has
            too begin with its weights, and all random numbers after that are its own. A difference is then that of
            each seed, whose scatter is its error.
    """

    configs: dict[str, Path]
    tables: list[dict]
    baseline: str
    metric: str | None = None
    what: str = ''
    paired: bool = False

    def runs(self, seeds: Sequence[int], out: str | Path, options: dict[str, Any] | None = None) -> list['Run']:
        """Return the runs, seed by seed, so that an interrupted sweep has equally many of each config."""
        base = self.configs[self.baseline] if self.paired else None
        return [Run(config, seed, Path(out, config.stem, f'seed_{seed}'), dict(options or {}),
                    None if config == base else base) for seed in seeds for config in self.configs.values()]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        config: The config file.
        seed: Of the weights and of the order of the images.
        folder: Work dir of the run.
        options: Settings that override the config's, as ``Config.merge_from_dict`` takes them.
        begins_as: Config of the network whose initial weights and random numbers this one shares; None: its own.
    """

    config: Path
    seed: int
    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    begins_as: Path | None = None

    def __str__(self) -> str:
        return f'{self.config.stem}, seed {self.seed}'

    def settings(self) -> Config:
        """Return the config with the options in it: what all seeds share."""
        cfg = Config.fromfile(self.config)
        cfg.merge_from_dict(self.options)
        return cfg

    def seeded(self) -> Config:
        """Return the settings with the seed in them."""
        cfg = self.settings()
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': self.seed}
        return cfg

    def digest(self) -> str:
        """Return a digest of the settings: a result belongs to one."""
        settings = [run.settings().to_dict() for run in (self, self.beginning()) if run]
        return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def beginning(self) -> 'Run | None':
        """Return the run of the same seed with which this one begins alike, if any."""
        return self.begins_as and replace(self, config=self.begins_as, begins_as=None)

    def made_with(self) -> str | None:
        """Return the digest of the settings with which the run was made or has begun; None: it has not begun."""
        file = self.folder / DIGEST
        return (self.result() or {}).get('digest') or (file.read_text() if file.exists() else None)

    def result(self) -> dict | None:
        """Return what the run found, or None if it is not done."""
        file = self.folder / RESULT
        return json.loads(file.read_text()) if file.exists() else None


def read_sweep(files: Sequence[str | Path]) -> Sweep:
    """Return the sweep of config files, of which the first one is the baseline, or of one list.

    A list is a TOML file with the keys ``what``, ``metric``, ``baseline`` and ``paired`` and with ``[[table]]`` entries
    of a ``name`` and ``rows``, each ``{row = 'name', config = 'file.py'}``; files are relative to it.

    Raises:
        ValueError: The list is not like that, or two configs have the same name, which is that of their folder.
        FileNotFoundError: A config does not exist.
    """
    paths = [Path(file) for file in files]
    content = dict(baseline=paths[0], table=[dict(name='', rows=[dict(row=path.stem, config=path) for path in paths])])
    folder = Path()
    if any(path.suffix == '.toml' for path in paths):
        if len(paths) > 1:
            raise ValueError(f'a .toml file must be the only argument, got {first_few(map(str, paths))}.')
        if not paths[0].is_file():
            raise FileNotFoundError(f'There is no list {paths[0]}.')
        folder, content = paths[0].parent, tomllib.loads(paths[0].read_text())
        known_keys(str(paths[0]), content, ('what', 'metric', 'baseline', 'paired', 'table'))
        missing = [key for key in ('baseline', 'table') if key not in content]
        if missing:
            raise ValueError(f'{paths[0]} lacks {" and ".join(missing)}.')
    try:
        listed = list(dict.fromkeys(folder / row['config'] for table in content['table'] for row in table['rows']))
        tables = [dict(name=table['name'], rows=[dict(row=row['row'], config=Path(row['config']).name)
                                                 for row in table['rows']]) for table in content['table']]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{paths[0]}: a table has a name and rows of {{row = '...', config = '...'}}; {error}."
                         ) from None
    baseline = folder / content['baseline']
    absent = [config for config in (*listed, baseline) if not config.is_file()]
    if absent:
        raise FileNotFoundError(f'There is no config file {absent[0]}.')
    if baseline not in listed:
        raise ValueError(f'the baseline {baseline} is in no table.')
    stems = [config.stem for config in listed]
    if len(set(stems)) < len(stems):
        raise ValueError(f'configs need different names, got {first_few(sorted(stems), 8)}.')
    return Sweep({config.name: config for config in listed}, tables, baseline.name, content.get('metric'),
                 content.get('what', ''), one_of(f'{paths[0]}: paired', content.get('paired', False), (True, False)))


def train_all(runs: Sequence[Run]) -> Iterator[tuple[Run, str]]:
    """Train what is not done, and yield each run with its error, which is empty where it has a result.

    A run that was cut short goes on from its newest checkpoint, and starts anew where its config saves none.

    Raises:
        ValueError: Before anything is trained: a run is done or has begun, but the config or the options have changed,
            data is missing, or a config cannot run.
    """
    from se_backbones.engine.preflight import check_config
    from se_backbones.lab.paired_start import check_pair
    first = {run.config: run for run in runs}
    settings = {config: run.settings() for config, run in first.items()}
    digests = {config: run.digest() for config, run in first.items()}
    for config, cfg in settings.items():
        check_config(cfg, ('train', 'val'))
        if first[config].begins_as:
            check_pair(cfg, first[config].beginning().settings())
    for run in runs:
        if run.made_with() not in (None, digests[run.config]):
            raise ValueError(f'{run.folder} was made with other settings than {run.config} has now: remove it to train '
                             'again, or give another folder.')
    server = multiprocessing.get_context('forkserver')
    server.set_forkserver_preload([__name__, 'se_backbones.models.backbones'])
    for run in runs:
        if run.result() is None:
            yield run, _train_apart(run, server)


def _train_apart(run: Run, server: multiprocessing.context.BaseContext) -> str:
    run.folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(run.folder / DIGEST, run.digest())
    process = server.Process(target=_main, args=(run,), name=str(run))
    process.start()
    try:
        process.join()
    except BaseException:
        process.terminate()
        process.join()
        raise
    if run.result() is not None:
        return ''
    if process.exitcode < 0:
        return f'killed by {signal.Signals(-process.exitcode).name}'
    log = run.folder / LOG
    lines = log.read_text(errors='replace').strip().splitlines() if log.exists() else []
    return lines[-1] if lines else f'ended with exit code {process.exitcode}'


def _main(run: Run) -> None:
    """What the process of a run does: its output goes to the run's log."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(run.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    atomic.write_text(run.folder / RESULT, json.dumps(train(run), indent=1) + '\n')


def _end_with_parent() -> None:
    # A run whose sweep was killed would train on beside the next one, in the same folder.
    multiprocessing.parent_process().join()
    os._exit(1)


def train(run: Run) -> dict:
    """Train one run in this process, checked and stopped as ``se-backbones train``, and return its result.

    Returns:
        dict: ``digest``, ``config``, ``seed``, ``metrics`` of the last validation, ``parameters`` of the model,
        ``multiply_adds`` for the first validation image (None where they cannot be counted), and ``seconds`` from
        building the runner to the end, None where an earlier process had done a part.
    """
    from mmengine.hooks import Hook

    from se_backbones.engine.resume import POINTER
    from se_backbones.lab.launch import started, use_atomic_checkpoint_hook
    from se_backbones.lab.paired_start import BeginAs

    class LastMetrics(Hook):
        """Keeps what the last validation found; the logs round it, and hold that of an earlier process too."""

        metrics: dict[str, float] = {}

        def after_val_epoch(self, runner, metrics=None):
            self.metrics = {name: float(value) for name, value in (metrics or {}).items()}

    begin, resumes = time.perf_counter(), (run.folder / POINTER).exists()
    cfg = run.seeded()
    # mmengine keeps objects by the name of the experiment; a time stamp alone may be that of the run before.
    cfg.merge_from_dict(dict(work_dir=str(run.folder), launcher='none', resume=resumes,
                             experiment_name=f'{run.config.stem}_seed_{run.seed}_{os.getpid()}'))
    if resumes:
        cfg.load_from = None  # mmengine would resume from this file
    use_atomic_checkpoint_hook(cfg)
    hook = cfg.default_hooks.checkpoint
    if hook and hook.get('out_dir'):  # to which mmengine adds the last part of the work dir, the seed's
        hook.out_dir = os.path.join(hook.out_dir, run.config.stem)
    last = LastMetrics()
    with started(cfg, ('train', 'val')) as runner:
        runner.register_hook(last, priority='LOWEST')
        if run.begins_as:
            runner.register_hook(BeginAs(run.beginning().seeded()))
        runner.train()
    if not last.metrics:
        raise ValueError(f'{run.config} has no validation after its last iteration: there is nothing to compare.')
    return dict(digest=run.digest(), config=run.config.name, seed=run.seed, metrics=last.metrics,
                parameters=sum(parameter.numel() for parameter in runner.model.parameters()),
                multiply_adds=_multiply_adds(runner),
                seconds=None if resumes else round(time.perf_counter() - begin, 2))


def _multiply_adds(runner) -> int | None:
    from se_backbones.lab.analysis.complexity import complexity
    image = runner.val_dataloader.dataset[0]['inputs']
    try:
        return complexity(runner.model, tuple(image.shape[-2:])).total.multiply_adds
    except ValueError:
        return None


def summarise(sweep: Sweep, runs: Sequence[Run]) -> dict | None:
    """Return what the runs found so far as plain data, None if none is done.

    Accuracies and IoU are in per cent as the hosts log them, mAP from 0 to 1.

    Returns:
        dict: ``what``, ``metric``, ``baseline``, ``paired`` and ``tables`` of the sweep, and ``configs``: for each name
        of a config of which a run is done, its ``seeds`` and the ``values`` of the metric for them, their ``mean`` and
        ``std`` (the sample's; None for less than two), the ``difference`` from the baseline and its standard ``error``
        (None for the baseline itself), ``parameters`` and ``multiply_adds``. Where runs are paired, the difference is
        the mean over the seeds that both have of the difference between their two runs.

    Raises:
        ValueError: The metric was not logged, or none was named and no known one was logged.
    """
    done = {name: [result for run in runs if run.config == config and (result := run.result())]
            for name, config in sweep.configs.items()}
    done = {name: results for name, results in done.items() if results}
    if not done:
        return None
    logged = dict.fromkeys(name for results in done.values() for result in results for name in result['metrics'])
    metric = next((name for name in ([sweep.metric] if sweep.metric else VALIDATION) if name in logged), None)
    if metric is None:
        raise ValueError(f'metric={sweep.metric!r} is not among what the runs logged: {", ".join(logged)}.')
    for name, results in done.items():
        if any(metric not in result['metrics'] for result in results):
            raise ValueError(f'{name} did not log {metric!r}, as others did, but {", ".join(results[0]["metrics"])}.')
    values = {name: {result['seed']: result['metrics'][metric] for result in results} for name, results in done.items()}
    configs = {}
    for name, results in done.items():
        own, other = values[name], {} if name == sweep.baseline else values.get(sweep.baseline, {})
        difference, error = _mean_and_error(_pairs(own, other)) if sweep.paired else _difference(own, other)
        configs[name] = dict(
            config=name, seeds=list(own), values=list(own.values()), mean=statistics.fmean(own.values()),
            std=_std(own.values()), difference=difference, error=error, parameters=results[0]['parameters'],
            multiply_adds=results[0]['multiply_adds'])
    return dict(what=sweep.what, metric=sweep.metric, baseline=sweep.baseline, paired=sweep.paired,
                tables=sweep.tables, configs=configs)


def _pairs(own: dict[int, float], base: dict[int, float]) -> list[float]:
    """Return how far the values of the seeds that both have are above those of the base."""
    return [own[seed] - base[seed] for seed in own if seed in base]


def _mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    return (statistics.fmean(values) if values else None,
            _std(values) / math.sqrt(len(values)) if len(values) > 1 else None)


def _difference(own: dict[int, float], base: dict[int, float]) -> tuple[float | None, float | None]:
    """Return how far the mean of unpaired values is above that of others, and the standard error of that."""
    if not base:
        return None, None
    (mean, error), (other, its_error) = (_mean_and_error(list(each.values())) for each in (own, base))
    return mean - other, None if error is None or its_error is None else math.hypot(error, its_error)


def _std(values: Collection[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _shown(data: dict) -> Iterator[tuple[str, list[tuple[str, dict]]]]:
    """Yield the name and the rows, ``(row, summary)``, of each table that has any."""
    configs = data['configs']
    for table in data['tables']:
        rows = [(row['row'], configs[row['config']]) for row in table['rows'] if row['config'] in configs]
        if rows:
            yield table['name'], rows


def to_markdown(data: dict, links: str = '') -> str:
    """Return what :func:`summarise` returned as tables; ``links`` is the path from the page to the configs, if any."""
    lines = []
    for name, rows in _shown(data):
        lines += [f'### {name}', ''] if name else []
        lines += [f'| | config | parameters | multiply-adds | {data["what"] or "mean"} | difference | seeds |',
                  '| --- | --- | ---: | ---: | ---: | ---: | ---: |']
        for row, found in rows:
            stem = Path(found['config']).stem
            places = 2 if abs(found['mean']) > 1.5 else 3  # per cent, or parts of one
            cells = [row, f'[{stem}]({links.rstrip("/")}/{found["config"]})' if links else stem,
                     f'{found["parameters"]:,}',
                     '' if found['multiply_adds'] is None else f'{found["multiply_adds"] / 1e6:,.2f} M',
                     _pair(found['mean'], found['std'], f'.{places}f'),
                     _pair(found['difference'], found['error'], f'.{places}f', '+'), str(len(found['values']))]
            lines.append(f'| {" | ".join(cells)} |')
        lines.append('')
    return '\n'.join(lines)


def _pair(value: float | None, spread: float | None, places: str, sign: str = '') -> str:
    return '' if value is None else f'{value:{sign}{places}}' + ('' if spread is None else f' ± {spread:{places}}')


def plot(data: dict, file: str | Path) -> Path:
    """Draw what :func:`summarise` returned, a panel for each table, in place of an earlier file; return the file.

    Each seed is a dot, each mean a line. The band is the baseline's mean ± one standard deviation: a mean inside of it
    differs by no more than another seed would make the baseline differ. Where runs are paired, a dot is the difference
    of one seed from the baseline, and the bar through the mean is ± its standard error.
    """
    paired, base, tables = data.get('paired'), data['configs'].get(data['baseline']), list(_shown(data))
    if paired:
        tables = [(name, [row for row in rows if row[1]['difference'] is not None]) for name, rows in tables]
    figure, axes = panels(len(tables), columns=2, size=(5.2, 0.9 + 0.34 * max(1, *(len(rows) for _, rows in tables))))
    for axis, (name, rows) in zip(axes, tables, strict=True):
        if axis is not axes[0]:
            axis.sharex(axes[0])  # one scale, so that panels can be compared; set first, so that it holds all dots
        tidy(axis, name, f'difference in {data["what"] or "the metric"}' if paired else data['what'])
        if paired:
            axis.axvline(0, color='#999999', lw=1, label='baseline')
        elif base:
            axis.axvline(base['mean'], color='#999999', lw=1)
            axis.axvspan(base['mean'] - (base['std'] or 0), base['mean'] + (base['std'] or 0), color='#999999',
                         alpha=0.2, lw=0, label='baseline: mean ± std')
        for height, (_, found) in enumerate(rows):
            dots, mean = found['values'], found['mean']
            if paired:
                dots = _pairs(*(dict(zip(each['seeds'], each['values'], strict=True)) for each in (found, base)))
                mean = found['difference']
            axis.plot(dots, [height] * len(dots), 'o', ms=6, color=colour(0), alpha=0.55, mew=0, label='one seed')
            axis.plot([mean] * 2, [height - 0.3, height + 0.3], color=colour(2), lw=2.5,
                      label='mean ± std error' if paired else 'mean')
            if paired and found['error'] is not None:
                axis.plot([mean - found['error'], mean + found['error']], [height] * 2, color=colour(2), lw=1.5)
        axis.set_yticks(range(len(rows)), [row for row, _ in rows])
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.locator_params(axis='x', nbins=5)  # their labels have up to seven characters
    legend_below(figure)
    return save(figure, file, replace=True)

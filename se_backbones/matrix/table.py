"""The results of a matrix as a table: mean and standard deviation over seeds, beside the baseline's."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from se_backbones.analysis.curves import VALIDATION
from se_backbones.matrix.plan import Matrix, Run


class Summary(NamedTuple):
    """One config over its seeds.

    Attributes:
        config: Name of the file.
        values: The metric of each seed that is done.
        mean, std: Of ``values``; the sample's standard deviation, NaN for less than two.
        difference: Of the mean from the baseline's; None for the baseline.
        error: Standard error of the difference, from both standard deviations.
        parameters: Of the whole model.
        seconds: Mean time of a run that was not interrupted; None if all were.
    """

    config: str
    values: tuple[float, ...]
    mean: float
    std: float
    difference: float | None
    error: float | None
    parameters: int
    seconds: float | None


def metric_of(results: Iterable[dict], metric: str | None) -> str:
    """Return the name of the metric to show.

    Raises:
        ValueError: It was not logged, or none was named and no known one was logged.
    """
    logged = list(dict.fromkeys(name for result in results for name in result['metrics']))
    found = [metric] if metric in logged else [name for name in VALIDATION if name in logged and metric is None]
    if not found:
        raise ValueError(f'metric={metric!r} is not among what the runs logged: {", ".join(logged)}.')
    return found[0]


def summarise(matrix: Matrix, runs: Sequence[Run]) -> dict[Path, Summary]:
    """Return a summary of each config of which a run is done.

    Accuracies and IoU are in per cent as the hosts log them, mAP from 0 to 1.
    """
    done = {config: [result for run in runs if run.config == config and (result := run.result())]
            for config in matrix.configs}
    done = {config: results for config, results in done.items() if results}
    if not done:
        return {}
    metric = metric_of((result for results in done.values() for result in results), matrix.metric)
    values = {config: tuple(result['metrics'][metric] for result in results) for config, results in done.items()}
    base = next((values[config] for config in values if config.resolve() == matrix.baseline.resolve()), None)
    summaries = {}
    for config, results in done.items():
        own = values[config]
        compared = base is not None and own is not base
        seconds = [result['seconds'] for result in results if result['seconds'] is not None]
        summaries[config] = Summary(
            config.name, own, statistics.fmean(own), _std(own),
            statistics.fmean(own) - statistics.fmean(base) if compared else None,
            math.sqrt(_std(own)**2 / len(own) + _std(base)**2 / len(base)) if compared else None,
            results[0]['parameters'], statistics.fmean(seconds) if seconds else None)
    return summaries


def _std(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan


def to_markdown(matrix: Matrix, summaries: dict[Path, Summary], links: str = '') -> str:
    """Return the tables in Markdown.

    Args:
        matrix, summaries: What :func:`read_matrix` and :func:`summarise` returned.
        links: Path from the page to the folder of the configs; empty: names without links.
    """
    lines = []
    for table in matrix.tables:
        rows = [(row, summaries[row.config]) for row in table.rows if row.config in summaries]
        if not rows:
            continue
        lines += [f'### {table.name}', ''] if table.name else []
        lines += [f'| | config | parameters | {matrix.what or "mean"} | difference | seeds | seconds |',
                  '| --- | --- | ---: | ---: | ---: | ---: | ---: |']
        for row, summary in rows:
            name = Path(summary.config).stem
            link = f'[{name}]({links.rstrip("/")}/{summary.config})' if links else name
            lines.append(f'| {row.row} | {link} | {summary.parameters:,} | {_pair(summary.mean, summary.std)} | '
                         f'{_pair(summary.difference, summary.error, "+")} | {len(summary.values)} | '
                         f'{"" if summary.seconds is None else f"{summary.seconds:.0f}"} |')
        lines.append('')
    return '\n'.join(lines)


def digits(value: float) -> int:
    """Return how many decimals to print: per cent have two, parts of one have three."""
    return 2 if abs(value) > 1.5 else 3


def _pair(value: float | None, spread: float | None, sign: str = '') -> str:
    if value is None:
        return ''
    places = 3 if max(abs(value), 0 if spread is None or math.isnan(spread) else spread) < 0.3 else 2
    tail = '' if spread is None or math.isnan(spread) else f' ± {spread:.{places}f}'
    return f'{value:{sign}.{places}f}{tail}'


def as_data(matrix: Matrix, summaries: dict[Path, Summary]) -> dict:
    """Return all of it as plain data: what the tables show, and the value of every seed."""
    return dict(what=matrix.what, metric=matrix.metric, baseline=matrix.baseline.name,
                tables=[dict(name=table.name, rows=[dict(row=row.row, config=row.config.name) for row in table.rows])
                        for table in matrix.tables],
                configs={summary.config: summary._asdict() for summary in summaries.values()})

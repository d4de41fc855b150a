"""The results of a matrix as a table: mean and standard deviation over seeds, beside the baseline's."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from se_backbones.lab.analysis.curves import VALIDATION
from se_backbones.lab.sweep.plan import Matrix, Row, Run, Table


class Summary(NamedTuple):
    """One config over its seeds.

    Attributes:
        config: Name of the file.
        values: The metric of each seed that is done.
        mean, std: Of ``values``; the sample's standard deviation, None for less than two.
        difference: Of the mean from the baseline's; None for the baseline.
        error: Standard error of the difference, from both standard deviations; None where there is none.
        parameters: Of the whole model.
        seconds: Mean time of a run that was not interrupted; None if all were.
    """

    config: str
    values: tuple[float, ...]
    mean: float
    std: float | None
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
            _error(own, base) if compared else None,
            results[0]['parameters'], statistics.fmean(seconds) if seconds else None)
    return summaries


def _std(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _error(one: Sequence[float], other: Sequence[float]) -> float | None:
    if min(len(one), len(other)) < 2:
        return None
    return math.sqrt(sum(_std(values)**2 / len(values) for values in (one, other)))


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
            # Per cent, or parts of one.
            places = 2 if abs(summary.mean) > 1.5 else 3
            cells = [row.row, link, f'{summary.parameters:,}', _pair(summary.mean, summary.std, places),
                     _pair(summary.difference, summary.error, places, '+'), str(len(summary.values)),
                     '' if summary.seconds is None else f'{summary.seconds:.0f}']
            lines.append(f'| {" | ".join(cells)} |')
        lines.append('')
    return '\n'.join(lines)


def _pair(value: float | None, spread: float | None, places: int, sign: str = '') -> str:
    if value is None:
        return ''
    tail = '' if spread is None else f' ± {spread:.{places}f}'
    return f'{value:{sign}.{places}f}{tail}'


def as_data(matrix: Matrix, summaries: dict[Path, Summary]) -> dict:
    """Return all of it as plain data: what the tables show, and the value of every seed."""
    return dict(what=matrix.what, metric=matrix.metric, baseline=matrix.baseline.name,
                tables=[dict(name=table.name, rows=[dict(row=row.row, config=row.config.name) for row in table.rows])
                        for table in matrix.tables],
                configs={summary.config: summary._asdict() for summary in summaries.values()})


def from_data(data: dict, folder: str | Path) -> tuple[Matrix, dict[Path, Summary]]:
    """Return the matrix and the summaries of what :func:`as_data` returned; ``folder`` is that of the configs."""
    folder = Path(folder)
    tables = tuple(Table(table['name'], tuple(Row(row['row'], folder / row['config']) for row in table['rows']))
                   for table in data['tables'])
    summaries = {folder / name: Summary(**{**summary, 'values': tuple(summary['values'])})
                 for name, summary in data['configs'].items()}
    return Matrix(tables, folder / data['baseline'], data['metric'], data['what']), summaries

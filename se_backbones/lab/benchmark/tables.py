"""Measurements as rows of text, for the terminal and for Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from se_backbones.lab.benchmark.settings import Setting

NETWORK_COLUMNS = ('network', 'ms', 'ratio', 'quartiles', 'saved MiB', 'peak MiB')
OPERATOR_COLUMNS = ('map', 'function', 'ms', 'GB/s', 'of a copy')
DETECTOR_COLUMNS = ('network', 'ms', 'ratio', 'quartiles')
Rows = list[tuple[str, ...]]


def title(run: Mapping[str, Any]) -> str:
    """Return what a run has measured, in a line."""
    setting = run['setting']
    if setting['phase'] == 'detector':
        return (f'Faster R-CNN R50-FPN, training iteration, {setting["batch"]} x {setting["size"]} px, frozen norms, '
                f'{setting["device"]}')
    return str(Setting(**setting))


def network_rows(run: Mapping[str, Any]) -> tuple[Sequence[str], Rows]:
    """Return columns and rows of what :func:`measure` or :func:`measure_detectors` returned.

    Memory is per image where it is saved for backward, and of the whole batch at its peak; its ratios are in brackets.
    """
    detector = run['setting']['phase'] == 'detector'
    rows = []
    for name, row in run['networks'].items():
        time = (name, f'{row["median_ms"]:.1f}', f'{row["ratio"]:.3f}', f'{row["low"]:.3f} - {row["high"]:.3f}')
        memory = tuple(f'{row[key]:.2f} ({row[key.replace("mib", "ratio")]:.3f})' if key in row else ''
                       for key in ('saved_mib', 'peak_mib'))
        rows.append(time if detector else time + memory)
    return DETECTOR_COLUMNS if detector else NETWORK_COLUMNS, rows


def operator_rows(operators: Iterable[Mapping[str, Any]]) -> tuple[Sequence[str], Rows]:
    """Return columns and rows of what :func:`measure_operators` returned."""
    return OPERATOR_COLUMNS, [(row['map'], row['name'], f'{row["median_ms"]:.3f}', f'{row["gbytes_per_s"]:.1f}',
                               f'{row["of_copy"]:.2f}') for row in operators]


def markdown(columns: Sequence[str], rows: Rows) -> str:
    """Return a table; all columns after the first, and after a second one of words, are numbers."""
    words = 2 if columns is OPERATOR_COLUMNS else 1
    rules = ['---'] * words + ['---:'] * (len(columns) - words)
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in (columns, rules, *rows))


def report(result: Mapping[str, Any]) -> str:
    """Return a result of ``se-backbones analyse benchmark`` as Markdown: the machine, then a table for each run."""
    environment = result['environment']
    parts = [f'{environment["device"]}, {environment["threads"]} threads, torch {environment["torch"]}, Python '
             f'{environment["python"]}, se_backbones {environment["se_backbones"]} at {environment["revision"]}, tail '
             f'`{environment["tail"]}`.']
    for run in result['runs']:
        parts += [f'### {title(run)[0].upper()}{title(run)[1:]}', markdown(*network_rows(run))]
    for setting, rows in groupby(result.get('operators', ()), key=itemgetter('setting')):
        parts += [f'### Single functions, {setting}', markdown(*operator_rows(rows))]
    return '\n\n'.join(parts) + '\n'

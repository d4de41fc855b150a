"""Measurements as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from se_backbones.lab.benchmark.tables import title
from se_backbones.lab.pictures.colours import colour
from se_backbones.lab.pictures.figures import label_ends, panels, save, tidy


def ratio_chart(runs: Sequence[Mapping[str, Any]], file: str | Path) -> Path:
    """Draw the ratios of each run as dots, with the quartiles of their rounds as lines, and return the new file.

    Ours are blue, the reference is black. All panels have the same scale, which need not begin at zero: a dot has no
    length that could deceive.
    """
    rows = [row for run in runs for row in run['networks'].values()]
    low, high = min(min(row['ratio'], row['low']) for row in rows), max(max(row['ratio'], row['high']) for row in rows)
    rows_high = max(len(run['networks']) for run in runs)
    figure, axes = panels(len(runs), columns=1 if len(runs) < 3 else 2, size=(6.4, 0.3 * rows_high + 1))
    for axis, run in zip(axes, runs, strict=True):
        for place, (name, row) in enumerate(run['networks'].items()):
            shade = 'black' if name == run['reference'] else colour(0) if name.startswith('ours') else '#777777'
            axis.plot([row['low'], row['high']], [place, place], color=shade, lw=2.5, alpha=0.4)
            axis.plot(row['ratio'], place, 'o', color=shade, ms=7)
            axis.text(1.02, place, f'{row["ratio"]:.2f}', transform=axis.get_yaxis_transform(), va='center', fontsize=9)
        axis.axvline(1, color='black', lw=0.8, ls=':')
        tidy(axis, title(run), f'time / {run["reference"]}')
        axis.set_yticks(range(len(run['networks'])), list(run['networks']))
        axis.invert_yaxis()
        margin = 0.04 * (high - low or 1)
        axis.set_xlim(low - margin, high + margin)
    return save(figure, file)


def differ_in_pixels(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether runs are of the same networks with the same setting but for size and batch, and have memory."""
    kinds = [(list(run['networks']), {**run['setting'], 'size': None, 'batch': None}) for run in runs]
    return len(set(map(_pixels, runs))) == len(runs) > 1 and all(
        kind == kinds[0] for kind in kinds) and kinds[0][1]['phase'] != 'detector'


def scaling_chart(runs: Sequence[Mapping[str, Any]], file: str | Path) -> Path:
    """Draw time and memory against the number of pixels of a batch, a line per network; return the new file.

    Args:
        runs: See :func:`differ_in_pixels`.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.
    """
    figure, axes = panels(2, columns=2, size=(5, 3.2))
    runs = sorted(runs, key=_pixels)
    reference = runs[0]['reference']
    names = [reference, *(name for name in runs[0]['networks'] if name.startswith('ours')),
             *(name for name in runs[0]['networks'] if not name.startswith('ours') and name != reference)]
    for axis, (key, what) in zip(axes, (('ratio', 'time'), ('peak_mib', 'peak memory')), strict=True):
        for index, name in enumerate(names):
            values = [run['networks'][name][key] / (run['networks'][reference][key] if key == 'peak_mib' else 1)
                      for run in runs]
            axis.plot([_pixels(run) for run in runs], values, marker='o', ms=4, lw=1.4, label=name,
                      color='black' if name == reference else colour(index - 1))
        axis.set_xscale('log')
        marks = {_pixels(run): f'{run["setting"]["batch"]}x{run["setting"]["size"]}' for run in runs}
        tidy(axis, f'{what} / {reference}', 'batch x pixels of a side')
        axis.set_xticks(list(marks), list(marks.values()))
        axis.minorticks_off()
    label_ends(figure)
    return save(figure, file)


def _pixels(run: Mapping[str, Any]) -> int:
    return run['setting']['batch'] * run['setting']['size']**2

"""Measurements as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from se_backbones.lab.analysis.pictures import colour, panels, save, tidy
from se_backbones.lab.benchmark.tables import title


def bar_chart(runs: Sequence[Mapping[str, Any]], file: str | Path) -> Path:
    """Draw the ratios of each run as bars, with the quartiles of their rounds, and return the file."""
    figure, axes = panels(len(runs), columns=2, size=(6.2, 0.34 * max(len(run['networks']) for run in runs) + 0.9))
    for axis, run in zip(axes, runs, strict=True):
        names = list(run['networks'])
        for place, name in enumerate(names):
            row = run['networks'][name]
            shade = '#333333' if name == run['reference'] else colour(0) if name.startswith('ours') else '#AAAAAA'
            axis.barh(place, row['ratio'], color=shade, height=0.7)
            axis.plot([row['low'], row['high']], [place, place], color='black', lw=1.2)
            axis.text(max(row['ratio'], row['high']) + 0.01, place, f'{row["ratio"]:.2f}', va='center', fontsize=8)
        axis.axvline(1, color='black', lw=0.8, ls=':')
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_xlim(0, 1.12 * max(max(row['ratio'], row['high']) for row in run['networks'].values()))
        tidy(axis, title(run), f'time / {run["reference"]}')
    return save(figure, file)


def scaling_chart(runs: Sequence[Mapping[str, Any]], file: str | Path) -> Path:
    """Draw time and memory against the number of pixels of a batch, a line per network; return the file.

    Args:
        runs: Of the same networks and phase, at several sizes or batches.
    """
    figure, axes = panels(3, columns=3, size=(4.2, 3.6))
    runs = sorted(runs, key=_pixels)
    names = list(runs[0]['networks'])
    for axis, (key, what) in zip(axes, (('median_ms', 'ms'), ('ratio', f'time / {runs[0]["reference"]}'),
                                        ('peak_mib', 'peak memory, MiB')), strict=True):
        for index, name in enumerate(names):
            axis.plot([_pixels(run) for run in runs], [run['networks'][name][key] for run in runs], marker='o', ms=3,
                      lw=1.4, color='black' if name == runs[0]['reference'] else colour(index), label=name)
        axis.set_xscale('log')
        if key != 'ratio':
            axis.set_yscale('log')
        marks = {_pixels(run): f'{run["setting"]["batch"]}x{run["setting"]["size"]}' for run in runs}
        tidy(axis, '', 'batch x pixels', what)
        axis.set_xticks(list(marks), list(marks.values()), rotation=45, fontsize=7)
        axis.minorticks_off()
    axes[0].legend(frameon=False, fontsize=7)
    return save(figure, file)


def _pixels(run: Mapping[str, Any]) -> int:
    return run['setting']['batch'] * run['setting']['size']**2

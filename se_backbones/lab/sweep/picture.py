"""The results of a matrix as a picture: each seed a dot, each mean a line, the baseline's spread as a band."""

from collections.abc import Mapping
from pathlib import Path

from se_backbones.lab.analysis.pictures import colour, panels, save, tidy
from se_backbones.lab.sweep.plan import Matrix
from se_backbones.lab.sweep.table import Summary


def plot(matrix: Matrix, summaries: Mapping[Path, Summary], file: str | Path) -> Path:
    """Draw a panel for each table, a row for each config, and return the file.

    The band is the baseline's mean ± one standard deviation: a mean inside of it differs by no more than another seed
    would make the baseline differ.
    """
    tables = [(table.name, [row for row in table.rows if row.config in summaries]) for table in matrix.tables]
    tables = [(name, rows) for name, rows in tables if rows]
    figure, axes = panels(len(tables), columns=2, size=(5.2, 0.7 + 0.34 * max(len(rows) for _, rows in tables)))
    base = next((summary for config, summary in summaries.items() if config.resolve() == matrix.baseline.resolve()),
                None)
    for axis, (name, rows) in zip(axes, tables, strict=True):
        tidy(axis, name, matrix.what)
        if base is not None:
            axis.axvline(base.mean, color='#999999', lw=1)
            if base.std is not None:
                axis.axvspan(base.mean - base.std, base.mean + base.std, color='#999999', alpha=0.2, lw=0)
        for height, row in enumerate(rows):
            summary = summaries[row.config]
            axis.plot(summary.values, [height] * len(summary.values), 'o', ms=4, color=colour(0), alpha=0.45, mew=0)
            axis.plot([summary.mean] * 2, [height - 0.3, height + 0.3], color=colour(1), lw=2)
        axis.set_yticks(range(len(rows)), [row.row for row in rows])
        axis.set_ylim(len(rows) - 0.4, -0.6)
    # One scale, so that panels can be compared.
    ends = [axis.get_xlim() for axis in axes]
    for axis in axes:
        axis.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
    return save(figure, file)

"""The papers' accuracies beside ours: ``results.toml`` in a folder of configs, and the Markdown tables made from it.

The numbers are written down once, in ``results.toml``; the README beside it holds them between two comment lines.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from se_backbones.lab.made_tables import put_between

START, END = '<!-- tables: made from results.toml -->', '<!-- end of tables -->'


class Result(NamedTuple):
    """One row.

    Attributes:
        row: Its name in the paper.
        config: Path of the config, relative to the folder.
        paper: The paper's numbers as they are printed; empty if it prints none.
        ours: Those of a logged run, with a link to its log; empty if there was none.
    """

    row: str
    config: str
    paper: str
    ours: str


class ResultTable(NamedTuple):
    """One table of a paper.

    Attributes:
        name: Such as ``'SE Table II'``.
        what: What was measured, and in which unit.
        note: A remark below the heading, or empty.
        rows: Its rows.
    """

    name: str
    what: str
    note: str
    rows: tuple[Result, ...]


def read_tables(folder: str | Path) -> tuple[ResultTable, ...]:
    """Read ``results.toml`` of a folder.

    Raises:
        FileNotFoundError: There is none.
        TypeError: A row lacks a key or has another one.
    """
    with open(Path(folder) / 'results.toml', 'rb') as file:
        tables = tomllib.load(file)['table']
    return tuple(ResultTable(table['name'], table['what'], table.get('note', ''),
                             tuple(Result(**row) for row in table['rows'])) for table in tables)


def to_markdown(tables: tuple[ResultTable, ...]) -> str:
    """Return the tables, a heading and a row per result; the configs are links relative to the folder."""
    return '\n\n'.join('\n'.join(_lines(table)) for table in tables) + '\n'


def _lines(table: ResultTable) -> Iterator[str]:
    yield from (f'## {table.name}', '', f'{table.what}.' + (f' {table.note}' if table.note else ''), '',
                '| row | config | paper | ours |', '| --- | --- | --- | --- |')
    for result in table.rows:
        yield f'| {result.row} | [{Path(result.config).stem}]({result.config}) | {result.paper} | {result.ours} |'


def put_into_readme(folder: str | Path) -> bool:
    """Replace what is between the two comment lines of ``README.md`` by the tables; return whether it changed.

    Raises:
        ValueError: The README does not have the two lines, once each and in this order.
    """
    return put_between(Path(folder) / 'README.md', START, END, to_markdown(read_tables(folder)))

"""Tables for the terminal that fit 80 columns."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Return names and what there is to say of each, in two columns; a name without a text is left out."""
    result = Table.grid(padding=(0, 2))
    result.add_column(no_wrap=True)
    result.add_column(overflow='fold')
    for name, text in rows:
        if text:
            # As Text: rich would take brackets in the name of a file, or out of one, for its own markup.
            result.add_row(name, Text(text))
    return result

"""Pages whose tables are made: each table has its place between two comment lines."""

from pathlib import Path

from se_backbones.utils import atomic


def put_between(page: str | Path, start: str, end: str, content: str | None) -> bool:
    """Replace what a page has between two lines; return whether that changed it.

    Args:
        page: A Markdown file.
        start: The line before the content.
        end: The line after it.
        content: Its lines; None: only see that the page has a place for them.

    Raises:
        ValueError: The page does not have the two lines, once each and in this order.
    """
    text = Path(page).read_text()
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    if not text.count(start) == text.count(end) == rest.count(end) == 1:
        raise ValueError(f'{page} must have the lines {start!r} and {end!r}, once each and in this order.')
    new = text if content is None else f'{before}{start}\n\n{content.rstrip()}\n\n{end}{after}'
    if new != text:
        atomic.write_text(page, new)
    return new != text

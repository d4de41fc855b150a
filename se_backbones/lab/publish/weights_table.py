"""The table of published weights in ``docs/weights.md``, made of the manifest."""

from collections.abc import Iterator
from pathlib import Path

from se_backbones.lab.made_tables import put_between
from se_backbones.pretrained.manifest import config_text, manifest

BEGIN, END = '<!-- weights: made by tools/misc/make_weights_table.py -->', '<!-- end of weights -->'


def put_into_page(page: str | Path) -> bool:
    """Put the table between the two marks of the page; return whether that changed it."""
    return put_between(page, BEGIN, END, '\n'.join(table()))


def table() -> Iterator[str]:
    """Yield the lines of the table: name, accuracy, image size, size, licence, what the config must say."""
    yield '| name | timm | top-1 | image | MB | licence | backbone |'
    yield '| --- | --- | ---: | ---: | ---: | --- | --- |'
    for row in manifest().values():
        top1 = '' if row.top1 is None else f'{row.top1:.2f}'
        config = config_text(row.backbone)
        yield (f'| `{row.name}` | {row.timm} | {top1} | {row.crop} | {row.megabytes} | {row.licence} | '
               f'`{config}` |')

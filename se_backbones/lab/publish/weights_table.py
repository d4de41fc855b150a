"""The table of published weights in ``docs/weights.md``, made of the manifest."""

import re
from collections.abc import Iterator

from se_backbones.pretrained.manifest import config_text, manifest

BEGIN, END = '<!-- weights: made by tools/misc/make_weights_table.py -->', '<!-- end of weights -->'


def with_table(page: str) -> str:
    """Return the text of the page with the table between its two marks."""
    return re.sub(f'{BEGIN}.*?{END}', lambda match: '\n'.join([BEGIN, *table(), END]), page, flags=re.DOTALL)


def table() -> Iterator[str]:
    """Yield the lines of the table: name, accuracy, image size, size, licence, what the config must say."""
    yield '| name | timm | top-1 | image | MB | licence | backbone |'
    yield '| --- | --- | ---: | ---: | ---: | --- | --- |'
    for row in manifest().values():
        top1 = '' if row.top1 is None else f'{row.top1:.2f}'
        config = config_text(row.backbone)
        yield (f'| `{row.name}` | {row.timm} | {top1} | {row.crop} | {row.megabytes} | {row.licence} | '
               f'`{config}` |')

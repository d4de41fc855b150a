"""The table of published weights in ``docs/weights.md``, made of the manifest and the networks."""

import re
from collections.abc import Iterator
from functools import cache

import torch

from se_backbones.pretrained.manifest import Weights, config_text, manifest
from se_backbones.registry import MODELS

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
        yield (f'| `{row.name}` | {row.timm} | {top1} | {row.crop} | {megabytes(row)} | {row.licence} | '
               f'`{config}` |')


def megabytes(row: Weights) -> int:
    """Return the size of the tensors, backbone and classifier, in megabytes of 10^6 bytes."""
    numbers, channels = _size(config_text(row.backbone))
    return round(4 * (numbers + row.num_classes * (channels + 1)) / 1e6)


@cache
def _size(config: str) -> tuple[int, int]:
    """Return how many numbers a backbone holds, and the channels of its last map."""
    backbone = next(dict(row.backbone) for row in manifest().values() if config_text(row.backbone) == config)
    classes = {'num_classes': 1000} if backbone['type'] == 'se_backbones.VGG' else {}
    with torch.device('meta'):
        net = MODELS.build({**backbone, **classes})
    numbers = sum(value.numel() for key, value in net.state_dict().items() if 'num_batches' not in key)
    # A VGG has its classifier.
    return numbers, -1 if classes else net.feature_info[-1].channels

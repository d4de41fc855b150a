"""The innermost datasets of wrappers in configs."""

from collections.abc import Iterator
from typing import Any


def innermost_datasets(node: Any, key: str = '') -> Iterator[tuple[str, dict]]:
    """Yield the config of each innermost dataset of a loader or a dataset, with its key.

    Args:
        node: Of a loader, of a dataset, or of a wrapper (RepeatDataset, ConcatDataset, MultiImageMixDataset, ...);
            None has no datasets.
        key: Of the node, such as ``'train_dataloader'``.
    """
    if isinstance(node, dict):
        name = 'dataset' if 'dataset' in node else 'datasets'
        if node.get(name) is not None:
            yield from innermost_datasets(node[name], f'{key}.{name}')
        elif 'type' in node:
            yield key, node
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from innermost_datasets(value, f'{key}[{index}]')


def first_dataset(node: Any) -> dict:
    """Return the config of the first innermost dataset.

    Raises:
        ValueError: There is none.
    """
    for _, dataset in innermost_datasets(node):
        return dataset
    raise ValueError('The config names no dataset here.')


def tested_dataset(cfg: dict) -> dict:
    """Return the config of the first innermost dataset that a whole config is tested on, or else validated.

    Raises:
        ValueError: There is none.
    """
    return first_dataset(cfg.get('test_dataloader') or cfg.get('val_dataloader'))

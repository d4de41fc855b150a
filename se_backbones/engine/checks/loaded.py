"""The datasets once they are loaded: how many images and objects, and whether the files exist."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from se_backbones.engine.checks.walking import ConfigProblem, annotation_file
from se_backbones.utils.dataset_configs import innermost_datasets

# Entries that are counted, and image files that are looked for, evenly spaced over a larger dataset.
ENTRIES = 20000
FILES = 1000


@dataclass
class Split:
    """What one dataset holds.

    Attributes:
        key: Its place in the config.
        images: How many it has.
        looked_at: How many of them were counted.
        empty: Images without objects among these; None for a dataset that does not tell.
        objects: Objects (a classifier's: images) of each class among these.
    """

    key: str
    images: int
    looked_at: int = 0
    empty: int | None = None
    objects: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f'{self.images:,} images']
        if self.looked_at < self.images:
            parts[0] += f' ({self.looked_at:,} of them counted)'
        if self.empty is not None:
            parts.append(f'{self.empty:,} without objects, {sum(self.objects.values()):,} objects')
        text = ', '.join(parts)
        if not self.objects:
            return text
        if len(self.objects) <= 12:
            return f'{text}: ' + ', '.join(f'{name} {count:,}' for name, count in self.objects.items())
        ranked = sorted(self.objects.items(), key=lambda entry: entry[1])
        none = [name for name, count in ranked if not count]
        return (f'{text} of {len(ranked)} classes, from {ranked[0][0]} {ranked[0][1]:,} to {ranked[-1][0]} '
                f'{ranked[-1][1]:,}' + (f'; {len(none)} classes have none' if none else ''))


def look_at(dataset: Any, key: str, config: dict) -> Split:
    """Count what a dataset holds, which was built from ``config``.

    Raises:
        ConfigProblem: It is empty, or image files do not exist.
    """
    count = len(dataset)
    if count == 0:
        raise empty(key, config)
    while not hasattr(dataset, 'get_data_info') and hasattr(dataset, 'dataset'):  # MultiImageMixDataset and others
        dataset = dataset.dataset
    split = Split(key, count)
    if not hasattr(dataset, 'get_data_info'):
        return split
    entries = [dataset.get_data_info(index) for index in _spaced(len(dataset), ENTRIES)]
    split.looked_at = len(entries) if len(entries) < len(dataset) else count
    _check_images([entries[index] for index in _spaced(len(entries), FILES)], key)
    _count(split, entries, tuple((getattr(dataset, 'metainfo', None) or {}).get('classes') or ()))
    return split


def _spaced(count: int, most: int) -> range | list[int]:
    return range(count) if count <= most else [index * count // most for index in range(most)]


def _check_images(entries: list[dict], key: str) -> None:
    paths = [entry.get('img_path') for entry in entries if isinstance(entry, dict)]
    paths = [path for path in paths if isinstance(path, str) and '://' not in path]
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise ConfigProblem(
            f'{key}: {len(missing)} of {len(paths)} images that were looked for do not exist, such as '
            f'{", ".join(missing[:3])}. data_root and data_prefix come before the file names of the annotations.')


def _count(split: Split, entries: list[dict], classes: tuple[str, ...]) -> None:
    found: Counter = Counter()
    if all('instances' in entry for entry in entries):
        split.empty = sum(not entry['instances'] for entry in entries)
        found.update(instance.get('bbox_label') for entry in entries for instance in entry['instances'])
    elif all('gt_label' in entry for entry in entries):
        for entry in entries:
            label = entry['gt_label']
            found.update(label if isinstance(label, (list, tuple)) else [int(label)] if not hasattr(label, 'tolist')
                         else label.reshape(-1).tolist())
    else:
        return
    names = classes or tuple(str(label) for label in sorted(label for label in found if isinstance(label, int)))
    split.objects = {name: found[label] for label, name in enumerate(names)}


def empty(key: str, config: dict) -> ConfigProblem:
    """Return the error for a dataset that loads no image."""
    _, inner = next(innermost_datasets(config, key), (key, {}))
    kept = f' that filter_cfg={dict(inner["filter_cfg"])} keeps' if inner.get('filter_cfg') else ''
    return ConfigProblem(f'{key} is empty: {annotation_file(inner) or inner.get("data_root")} holds no image{kept}.')

"""Checks of loaded datasets: the number of images and objects, and whether files exist."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import mmcv
import numpy as np

from se_backbones.engine.checks.config_tree import ConfigProblem, annotation_file, image_folder, nodes, on_disk
from se_backbones.utils.config_types import host_of, type_name
from se_backbones.utils.dataset_configs import innermost_datasets

# Entries that are counted, and image files that are looked for, evenly spaced over a larger dataset.
ENTRIES = 20000
FILES = 1000
MASKS = 20  # whose values are checked


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


def check_dataset(dataset: Any, loop: str, cfg: dict) -> Split:
    """Count what the dataset of a loop holds, ``'train'``, ``'val'`` or ``'test'``, which was built from a config.

    Raises:
        ConfigProblem: It is empty, image files do not exist, or a detector could not predict on it.
    """
    key, config = f'{loop}_dataloader.dataset', (cfg.get(f'{loop}_dataloader') or {}).get('dataset', {})
    count = len(dataset)
    if count == 0:
        raise empty(key, config)
    inner = dataset
    while not hasattr(inner, 'get_data_info') and hasattr(inner, 'dataset'):  # MultiImageMixDataset and others
        inner = inner.dataset
    split = Split(key, count)
    if not hasattr(inner, 'get_data_info'):
        return split
    entries = [inner.get_data_info(index) for index in _spaced(len(inner), ENTRIES)]
    split.looked_at = len(entries) if len(entries) < len(inner) else count
    classes = tuple(metainfo(inner).get('classes') or ())
    # A step of a user's own may read them from an archive, by names that are none of files.
    if on_disk(config) and any('FromFile' in type_name(part) for _, part in nodes(config, '') if 'type' in part):
        some = [entries[index] for index in _spaced(len(entries), FILES)]
        _check_images(some, key)
        _check_masks(some, key, classes, cfg)
    if loop != 'train':
        _check_scale_factor(dataset, key, cfg)
    _count(split, entries, classes)
    return split


def metainfo(dataset: Any) -> dict:
    """Return what a dataset says of its classes: mmdet's ConcatDataset has a list of it where its parts differ."""
    found = getattr(dataset, 'metainfo', None) or {}
    return found[0] if isinstance(found, list) else found


def _check_scale_factor(dataset: Any, key: str, cfg: dict) -> None:
    """Check that images for prediction say how they were resized; heads of mmdet ask after an epoch of training."""
    model = cfg.get('model') or {}
    if host_of(cfg) != 'mmdet' or not {'bbox_head', 'rpn_head', 'roi_head'} & {
            name for _, node in nodes(model, 'model') for name in node}:
        return
    first = dataset[0]
    sample = first.get('data_samples') if isinstance(first, dict) else None
    if hasattr(sample, 'metainfo') and sample.metainfo.get('scale_factor') is None:
        raise ConfigProblem(
            f"{key}.pipeline gives no scale_factor, by which mmdet's heads divide the boxes that they predict: put "
            "dict(type='Resize', scale=(width, height), keep_ratio=True) into it, and scale_factor into the meta_keys "
            'of PackDetInputs.')


def _spaced(count: int, most: int) -> range | list[int]:
    return range(count) if count <= most else [index * count // most for index in range(most)]


def _check_images(entries: list[dict], key: str) -> None:
    for place, what, why in (
            ('img_path', 'images', 'data_root and data_prefix come before the file names of the annotations'),
            ('seg_map_path', 'masks', 'data_prefix.seg_map_path, and seg_map_suffix in place of img_suffix')):
        paths = [entry.get(place) for entry in entries if isinstance(entry, dict)]
        paths = [path for path in paths if isinstance(path, str) and '://' not in path]
        missing = [path for path in paths if not os.path.exists(path)]
        if missing:
            raise ConfigProblem(
                f'{key}: {len(missing)} of {len(paths)} {what} that were checked do not exist, such as '
                f'{", ".join(missing[:3])}: {why}.')


def _check_masks(entries: list[dict], key: str, classes: tuple[str, ...], cfg: dict) -> None:
    """Look at the values of mmseg's masks: one too large ends a run on a GPU with an assertion that names nothing."""
    entries = [entry for entry in entries if entry.get('seg_map_path') and 'reduce_zero_label' in entry and
               not entry.get('label_map') and '://' not in entry['seg_map_path']]
    ignored = {255, *(node['ignore_index'] for _, node in nodes(cfg.get('model') or {}, '') if 'ignore_index' in node)}
    for entry in (entries[index] for index in _spaced(len(entries), MASKS)):
        path = entry['seg_map_path']
        mask = mmcv.imread(path, 'unchanged', backend='pillow')
        if mask.ndim != 2:
            raise ConfigProblem(f'{key}: {path} has {mask.shape[2]} channels; a mask has one, whose values are the '
                                'numbers of the classes.')
        allowed = range(len(classes) + bool(entry['reduce_zero_label']))
        wrong = [value for value in np.unique(mask).tolist() if value not in allowed and value not in ignored]
        if wrong and classes:
            raise ConfigProblem(f'{key}: {path} has the value {wrong[0]}, and there are {len(classes)} classes: 0 to '
                                f'{allowed[-1]} are allowed, and {", ".join(map(str, sorted(ignored)))} to ignore.')


def _count(split: Split, entries: list[dict], classes: tuple[str, ...]) -> None:
    found: Counter = Counter()
    if all('instances' in entry for entry in entries):
        # COCO's crowds are neither trained on nor found.
        labels = [[instance.get('bbox_label') for instance in entry['instances'] if not instance.get('ignore_flag')]
                  for entry in entries]
        split.empty = sum(not own for own in labels)
        found.update(label for own in labels for label in own)
    elif all('gt_label' in entry for entry in entries):
        for entry in entries:
            label = entry['gt_label']
            found.update(label if isinstance(label, (list, tuple)) else [int(label)] if not hasattr(label, 'tolist')
                         else label.reshape(-1).tolist())
    else:
        return
    names = enumerate(classes) if classes else ((label, str(label)) for label in sorted(
        label for label in found if isinstance(label, int)))
    split.objects = {name: found[label] for label, name in names}


def empty(key: str, config: dict) -> ConfigProblem:
    """Return the error for a dataset that loads no image."""
    _, inner = next(innermost_datasets(config, key), (key, {}))
    kept = f' that filter_cfg={dict(inner["filter_cfg"])} keeps' if inner.get('filter_cfg') else ''
    if inner.get('img_suffix') and not annotation_file(inner):
        kept = f' that ends with img_suffix={inner["img_suffix"]!r}'
    return ConfigProblem(f'{key} is empty: {annotation_file(inner) or image_folder(inner)} holds no image{kept}.')

"""Class names against annotation files: mmdet finds a category by its name, but labels by the order of the file."""

import functools
import json
import mmap
import os
import os.path as osp
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from mmengine.registry import DATASETS

from se_backbones.engine.checks.config_tree import (
    LOOPS,
    ConfigProblem,
    annotation_file,
    class_of,
    datasets_of,
    evaluators_of,
    image_folder,
)
from se_backbones.utils.config_types import type_name
from se_backbones.utils.validation import did_you_mean, first_few


def classes_of(dataset: dict, cfg: dict) -> tuple[str, ...]:
    """Return the names that a dataset will have, as far as its config tells; empty where it does not.

    Raises:
        ConfigProblem: They are a string, and no file with names: every letter would be a class.
    """
    cls = class_of(dataset, cfg, DATASETS)
    given = dict(dataset.get('metainfo') or {})
    if dataset.get('classes') is not None:  # mmpretrain's older word
        given.setdefault('classes', dataset['classes'])
    if not hasattr(cls, '_load_metainfo'):
        return ()
    names = cls._load_metainfo(given).get('classes') or ()
    if not names and _is_of_folders(dataset, cls):
        names = _folders(dataset) or ()
    if isinstance(names, str):
        raise ConfigProblem(f'metainfo.classes={names!r} is a string, so that every letter would be a class: write '
                            f'classes=({names!r},), with the comma, or the path of a file that has a name a line.')
    return tuple(names)


def labels_of(key: str, dataset: dict, cfg: dict) -> tuple[tuple[str, ...], str]:
    """Return the names of :func:`classes_of` in the order of their labels, and the file or key that decides it."""
    names, path, cls = classes_of(dataset, cfg), annotation_file(dataset), class_of(dataset, cfg, DATASETS)
    if path and osp.exists(path) and _labels_by_the_file(cls):
        return tuple(name for name in categories(path) or () if name in names), path
    if _is_of_folders(dataset, cls) and (folders := _folders(dataset)):
        return tuple(folders), image_folder(dataset)
    return names, f'{key}.metainfo.classes'


def check_class_names(cfg: dict, loops: tuple[str, ...]) -> None:
    """Stop where names and annotations disagree, on COCO files and on folders of images."""
    for key, dataset in datasets_of(cfg, loops):
        if _labels_by_the_file(class_of(dataset, cfg, DATASETS)) and dataset.get('ann_file'):
            _compare(cfg, key, classes_of(dataset, cfg), annotation_file(dataset),
                     given='classes' in (dataset.get('metainfo') or {}))
    for key, metric in evaluators_of(cfg, loops):
        # It is often another key for the same file, which is forgotten.
        loop = key.split('_')[0]
        sets = [dataset for _, dataset in datasets_of(cfg, (loop,))]
        if type_name(metric) in ('CocoMetric', 'FasterCocoMetric') and metric.get('ann_file') and len(sets) == 1 and \
                _labels_by_the_file(class_of(sets[0], cfg, DATASETS)):
            _compare(cfg, key, classes_of(sets[0], cfg), metric['ann_file'], given=True, of='dataset')
            _compare_images(key, loop, metric['ann_file'], annotation_file(sets[0]))
    _compare_folders(cfg, loops)


def _labels_by_the_file(cls: type) -> bool:
    """Whether ``load_data_list`` is that of mmdet's CocoDataset."""
    owner = next((base for base in getattr(cls, '__mro__', ()) if 'load_data_list' in vars(base)), None)
    return owner is not None and owner.__module__ == 'mmdet.datasets.coco'


def _compare(cfg: dict, key: str, classes: Sequence[str], path: str, given: bool, of: str = 'metainfo') -> None:
    if '://' in path or not osp.exists(path):
        return
    names = categories(path)
    if names is None:
        raise ConfigProblem(f'{key}.ann_file={path} has no list of categories with names: it is not a COCO annotation '
                            'file.')
    if list(classes) == [name for name in names if name in classes]:
        return
    file = osp.basename(path)
    paste = _entry(cfg, classes, names) if of == 'metainfo' else f'Is it the file of {key.split("_")[0]}_dataloader?'
    unknown = [name for name in classes if name not in names]
    has = f'{file} has {first_few(map(repr, names), 20)}.'
    if not given:
        raise ConfigProblem(f"{key}.metainfo.classes is not given, so the dataset's own {len(classes)} classes are "
                            f'used, and {file} lacks {first_few(map(repr, unknown), 3)}; {has} {paste}')
    if unknown:
        what = 'metainfo.classes has' if of == 'metainfo' else 'ann_file lacks'
        raise ConfigProblem(f'{key}.{what} {first_few(map(repr, unknown), 3)}; {has}'
                            f'{did_you_mean(unknown[0], names)} {paste}')
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigProblem(f'{key}.ann_file={path} has the category {twice!r} twice: labels would not be those of '
                            'metainfo.classes. Give each category a name of its own.')
    order = [name for name in names if name in classes]
    wrong = next(index for index, name in enumerate(classes) if order[index] != name)
    raise ConfigProblem(f'{key}: classes are in another order than the categories of {file}, and mmdet labels by the '
                        f'order of the file: every {order[wrong]!r} would be called {classes[wrong]!r}. {paste}')


def _compare_images(key: str, loop: str, path: str, own: str) -> None:
    """Stop where an evaluator's file has other images than the dataset: predictions find their truth by the id."""
    if not all(osp.exists(file) for file in (path, own)) or osp.samefile(path, own):
        return
    theirs, ours = _images(path), _images(own)
    for number, name in ours.items():
        if theirs.get(number) != name:
            raise ConfigProblem(f'{key}.ann_file={path} has {theirs.get(number, "no image")} under the id {number}, '
                                f'and {loop}_dataloader.dataset.ann_file={own} has {name}: predictions would be '
                                f'compared with the truth of other images. Is it the file of {loop}_dataloader?')


def _images(path: str) -> dict[int, str]:
    try:
        return {image['id']: osp.basename(image.get('file_name', '')) for image in json.loads(
            Path(path).read_bytes())['images']}  # data_prefix may have the folders
    except ValueError as error:
        raise ConfigProblem(f'ann_file={path} is not JSON: {error}.') from None
    except (KeyError, TypeError):
        raise ConfigProblem(f'ann_file={path} has no list of images with ids: it is not a COCO annotation file.'
                            ) from None


def _entry(cfg: dict, classes: Sequence[str], names: Sequence[str]) -> str:
    """Return what to write into which datasets: the classes that were meant, in the order of the file."""
    meant = {match for name in classes for match in get_close_matches(name, names, n=1, cutoff=0.8)}
    right = tuple(name for name in names if name in meant) if len(meant) == len(classes) else tuple(names)
    keys = [key for key, dataset in datasets_of(cfg, LOOPS) if _labels_by_the_file(class_of(dataset, cfg, DATASETS))]
    return f'In {", ".join(keys)} write: metainfo=dict(classes={right!r})'


def categories(path: str) -> list[str] | None:
    """Return the names of a COCO file's categories in its order, without reading its annotations; None: none there.

    Raises:
        ConfigProblem: The file is not JSON.
    """
    stat = os.stat(path)
    return _categories(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(8)
def _categories(path: str, size: int, _changed: int) -> list[str] | None:
    if size == 0:
        raise ConfigProblem(f'ann_file={path} is empty.')
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # What is not an object from end to end is parsed, for the place where it goes wrong.
        if data[:64].lstrip()[:1] == b'{' and data[-64:].rstrip()[-1:] == b'}':
            at = data.rfind(b'"categories"')
            while at >= 0:
                names = _names(data, at)
                if names is not None:
                    return names
                at = data.rfind(b'"categories"', 0, at)
        try:
            content = json.loads(data[:])
        except ValueError as error:
            raise ConfigProblem(f'ann_file={path} is not JSON: {error}.') from None
    found = content.get('categories') if isinstance(content, dict) else None
    return [entry['name'] for entry in found] if _are_categories(found) else None


def _names(data: mmap.mmap, at: int) -> list[str] | None:
    """Return the names of the list after a key, or None where it is not a list of categories."""
    start = at + len(b'"categories"')
    for length in (1 << 16, 1 << 22):
        text = data[start:start + length].decode(errors='ignore').lstrip()
        if not text.startswith(':'):
            return None
        try:
            found, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
        except ValueError:
            continue
        return [entry['name'] for entry in found] if _are_categories(found) else None
    return None


def _are_categories(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(
        isinstance(entry, dict) and isinstance(entry.get('name'), str) and 'id' in entry for entry in found)


def _is_of_folders(dataset: dict, cls: type) -> bool:
    """Whether it is mmpretrain's CustomDataset, or a subclass, whose classes are the folders of its images."""
    return not dataset.get('ann_file') and dataset.get('with_label', True) and any(
        base.__module__ == 'mmpretrain.datasets.custom' for base in getattr(cls, '__mro__', ()))


def _folders(dataset: dict) -> list[str] | None:
    root = image_folder(dataset)
    if '://' in root or not osp.isdir(root):
        return None
    # Hidden ones too, such as Jupyter's .ipynb_checkpoints: mmpretrain takes them for classes.
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir())


def _compare_folders(cfg: dict, loops: tuple[str, ...]) -> None:
    first = None
    for key, dataset in datasets_of(cfg, loops):
        if not _is_of_folders(dataset, class_of(dataset, cfg, DATASETS)) or not (folders := _folders(dataset)):
            continue
        names = classes_of(dataset, cfg)
        if sorted(names) == folders and list(names) != folders:
            raise ConfigProblem(f'{key}: classes are in another order than the folders of the images, which mmpretrain '
                                'labels in alphabetical order. '
                                f'In {key} write: metainfo=dict(classes={tuple(folders)})')
        first = first or (key, folders)
        if folders != first[1]:
            absent = sorted(set(folders) ^ set(first[1]))
            raise ConfigProblem(f'{key} and {first[0]} differ in their folders of images (only one of them has '
                                f'{first_few(map(repr, absent), 3)}); mmpretrain numbers the folders that it finds, so '
                                'labels would differ too. An empty folder is enough.')

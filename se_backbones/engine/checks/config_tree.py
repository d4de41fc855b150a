"""The parts of a config: its dicts by their keys, its datasets, and the classes of its types."""

import contextlib
import functools
import importlib
import io
import os.path as osp
import warnings
from collections.abc import Iterator
from typing import Any

from mmengine.registry import DefaultScope, Registry

from se_backbones.utils.config_types import HOSTS, host_of
from se_backbones.utils.dataset_configs import innermost_datasets

LOOPS = ('train', 'val', 'test')
# Packages of mmdet, mmpretrain and mmseg whose import registers all that they have.
HOST_PARTS = ('datasets', 'engine', 'evaluation', 'models', 'visualization')


class ConfigProblem(ValueError):
    """A config that cannot run; the message is for the person who wrote it."""


def nodes(node: Any, key: str) -> Iterator[tuple[str, dict]]:
    """Yield every dict below a config's value with its key, the outer ones first."""
    if isinstance(node, dict):
        yield key, node
        for name, value in node.items():
            yield from nodes(value, f'{key}.{name}' if key else name)
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from nodes(value, f'{key}[{index}]')


def datasets_of(cfg: dict, loops: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
    """Yield the datasets of some loops with their keys, such as ``train_dataloader.dataset``."""
    for loop in loops:
        yield from innermost_datasets(cfg.get(f'{loop}_dataloader'), f'{loop}_dataloader')


def evaluators_of(cfg: dict, loops: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
    """Yield the metrics of some loops with their keys."""
    for loop in loops:
        for key, node in nodes(cfg.get(f'{loop}_evaluator'), f'{loop}_evaluator'):
            if 'type' in node:
                yield key, node


def on_disk(node: dict) -> bool:
    """Return whether the paths of a dataset, with its pipeline, or of a metric are looked for on the disk.

    They are not where any of their ``backend_args`` names another backend, such as ``petrel`` or ``lmdb``: it says
    itself what it does not find.
    """
    given = [part.get(key) for _, part in nodes(node, '') for key in ('backend_args', 'file_client_args')]
    return all(backend.get('backend', 'local') in ('local', 'disk') for backend in given if backend)


def annotation_file(dataset: dict) -> str:
    """Return the path of a dataset's ``ann_file``; empty where it has none."""
    return osp.join(dataset.get('data_root') or '', dataset['ann_file']) if dataset.get('ann_file') else ''


def image_folder(dataset: dict) -> str:
    """Return the folder of a dataset's images: ``data_root`` with ``data_prefix`` (mmpretrain's older ``split``)."""
    prefix = dataset.get('data_prefix') or dataset.get('split') or ''
    prefix = prefix.get('img_path', '') if isinstance(prefix, dict) else prefix
    return osp.join(dataset.get('data_root') or '', prefix)


def class_of(node: dict, cfg: dict, registry: Registry) -> Any:
    """Return what a dict's type names, in the scope in which mmengine will build it, or None."""
    if not isinstance(node.get('type'), str):
        return node.get('type')
    import_quietly(cfg)
    scope = node.get('_scope_') or cfg.get('default_scope', 'mmengine')
    with registry.switch_scope_and_registry(scope) as current:
        return current.get(node['type'])


def config_scope(cfg: dict) -> contextlib.AbstractContextManager:
    """Return a context in which types are those of the config's library, whatever the current scope is."""
    import_quietly(cfg)
    # None, as in mmdet's configs in Python, leaves the current one, and so does mmengine's Runner.
    return DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine'))


def model_of(cfg: dict) -> dict:
    """Return the config of a whole config's model; mmpretrain's configs have its preprocessor beside it."""
    model = dict(cfg['model'])
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg['data_preprocessor'])
    return model


def import_quietly(cfg: dict) -> None:
    """Import a config's library, before any registry does, without what it says of its optional parts.

    That faster_coco_eval were needed for metrics is not so, and OneDL's own datasets nobody misses here.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='faster_coco_eval is not installed')
        # A config in Python imports its classes as soon as they are looked at.
        _import_parts(host_of(cfg))


@functools.cache
def _import_parts(host: str | None) -> None:
    for part in HOST_PARTS if host in HOSTS else ():
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f'{host}.{part}')

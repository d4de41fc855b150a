"""Types in configs: a name, the path of a class or, in Python configs, the class itself."""

from collections.abc import Mapping
from typing import Any

HOSTS = ('mmdet', 'mmpretrain', 'mmseg')


def type_path(node: Mapping[str, Any]) -> str:
    """Return a type as text: a name or a path as it stands, a class by its path; empty where there is none."""
    kind = node.get('type')
    return f'{kind.__module__}.{kind.__qualname__}' if isinstance(kind, type) else str(kind or '')


def type_name(node: Mapping[str, Any]) -> str:
    """Return the last part of a type."""
    return type_path(node).split('.')[-1]


def host_of(cfg: Mapping[str, Any]) -> str | None:
    """Return the library that a config is of: its ``default_scope`` or, where that is None, its model's; or None.

    mmdet's configs in Python have ``default_scope = None``: their classes need no scope to be found.
    """
    if cfg.get('default_scope') is not None:
        return cfg['default_scope']
    package = type_path(cfg.get('model') or {}).split('.')[0]
    return package if package in HOSTS else None

"""The models in the config of one: it, and the detector inside of a semi-supervised, tracking or test-time one."""

from collections.abc import Iterator
from typing import Any


def models_in(cfg: dict) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the configs with a ``backbone`` by their keys: ``'model'``, ``'model.detector'``, ``'model.module'``.

    Args:
        cfg: A whole config.
    """
    model = cfg.get('model') or {}
    inner = [(f'model.{name}', model.get(name)) for name in ('detector', 'module')]
    for key, node in [('model', model), *inner]:
        if isinstance(node, dict) and isinstance(node.get('backbone'), dict):
            yield key, node

"""Lazy imports of the names of a package."""

import importlib
from collections.abc import Callable
from typing import Any


def on_demand(package: str, **modules: tuple[str, ...]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    Args:
        package: Its ``__name__``.
        modules: ``{module of it: names that come from there}``.
    """
    places = {name: f'{package}.{module}' for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        return getattr(importlib.import_module(places[name]), name)
    return find

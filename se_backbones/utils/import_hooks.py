"""Import hooks for a few modules of other libraries."""

import importlib.abc
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def when_imported(name: str, action: Callable[[], None]) -> None:
    """Call ``action`` once the module ``name`` has been imported; now, if it has been.

    Args:
        name: Full name of a module inside a package. It need not be installed.
        action: Called without arguments.
    """
    def watch(spec: ModuleSpec | None) -> ModuleSpec | None:
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, action)
        return spec
    if name in sys.modules:
        action()
    else:
        when_searched(name, watch)


def when_searched(name: str, change: Callable[[ModuleSpec | None], ModuleSpec | None]) -> None:
    """Let ``change`` turn what was found for the module ``name``, None if nothing, into what is found."""
    finder = next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    finder.changes[name] = change


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self):
        self.changes: dict[str, Callable[[ModuleSpec | None], ModuleSpec | None]] = {}

    def find_spec(self, fullname: str, path=None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in self.changes:
            return None
        # Modules inside of packages are found by their folder, also where the package is installed editable.
        return self.changes[fullname](PathFinder.find_spec(fullname, path))


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, action: Callable[[], None]):
        self.loader = loader
        self.action = action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # From here on the module is as if nobody had watched.
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.action()

"""How ``import mmcv._ext`` finds operators: the compiled ones if they load, else ours.

One finder, which :func:`prefer_compiled` puts before the others. It asks them, and

* where nothing is found, answers with ours;
* where a compiled file is found that does not load, such as one for another torch, says so once and answers with ours;
* makes a compiled RoIAlign that loads right for channels_last maps, which it reads as if they were NCHW.
"""

import importlib.abc
import importlib.util
import logging
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

NAME = 'mmcv._ext'
OURS = Path(__file__).with_name('_ext.py')
# RoIAlign and RoIPool take strides of their input for granted; the other compiled operators copy it when they have to.
ASSUME_NCHW = ('roi_align_forward', 'roi_pool_forward')


def prefer_compiled() -> None:
    """Let ``mmcv._ext`` be found; where it has been imported already, make it right."""
    if NAME in sys.modules:
        take_any_layout(sys.modules[NAME])
    elif not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def is_compiled(module: ModuleType) -> bool:
    """Whether a module that stands for ``mmcv._ext`` is mmcv's own."""
    return isinstance(module.__spec__.loader, ExtensionFileLoader)


def take_any_layout(module: ModuleType) -> None:
    """Hand the maps to compiled operators in the layout that they assume, until mmcv does so itself."""
    for name in ASSUME_NCHW if is_compiled(module) else ():
        compiled = getattr(module, name)
        if not hasattr(compiled, '__wrapped__'):
            setattr(module, name, _in_nchw(compiled))


def _in_nchw(compiled):
    def call(input, *args, **kwargs):
        return compiled(input.contiguous(), *args, **kwargs)
    call.__name__, call.__doc__, call.__wrapped__ = compiled.__name__, compiled.__doc__, compiled
    return call


class Finder(importlib.abc.MetaPathFinder):
    """Asked first, for ``mmcv._ext`` alone."""

    def find_spec(self, fullname: str, path=None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != NAME:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None:
            return importlib.util.spec_from_file_location(NAME, OURS)
        if isinstance(spec.loader, ExtensionFileLoader):
            spec.loader = CompiledLoader(spec.loader)
        return spec


class CompiledLoader(importlib.abc.Loader):
    """Loads the compiled module, or ours where that one does not load."""

    def __init__(self, compiled: ExtensionFileLoader):
        self.loader: importlib.abc.Loader = compiled

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        import torch  # noqa: F401  its libraries, to which the operators are linked
        try:
            return self.loader.create_module(spec)
        except ImportError as error:
            logging.getLogger('se_backbones').warning(
                "mmcv's compiled operators do not load (%s): those on torchvision run instead. Scripts that import "
                'mmcv before se_backbones need an mmcv without these; see python -m se_backbones.doctor.', error)
            self.loader = SourceFileLoader(NAME, str(OURS))
            return None

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        # From here on the module is as if nobody had looked on.
        module.__spec__.loader = module.__loader__ = self.loader
        module.__spec__.origin = module.__file__ = self.loader.path
        take_any_layout(module)

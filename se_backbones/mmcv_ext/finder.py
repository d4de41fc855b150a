"""How ``import mmcv._ext`` finds operators: the compiled ones if they load, else ours.

:func:`prefer_compiled` makes the import go through :func:`choose`, which

* where nothing is found, answers with ours;
* where a compiled file is found that does not load, such as one for another torch, says so once and answers with ours;
* makes compiled ones that load right for channels_last maps, which several read as if they were NCHW: RoIAlign and the
  modulated deformable convolution return other numbers, without a word.
"""

import functools
import importlib.abc
import importlib.util
import logging
import sys
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from se_backbones.utils.import_hooks import when_searched

NAME = 'mmcv._ext'
OURS = Path(__file__).with_name('_ext.py')
# Compiled functions whose first tensor is a map that they only read; mmcv makes the others contiguous.
READ_A_MAP = ('roi_align_forward', 'roi_pool_forward', 'roi_align_rotated_forward', 'riroi_align_rotated_forward',
              'bezier_align_forward', 'prroi_pool_forward', 'deform_roi_pool_forward', 'border_align_forward')
# Compiled functions that read and write tensors of any layout as if they were contiguous, or refuse them; ours do not.
READ_AND_WRITE = ('deform_conv_forward', 'deform_conv_backward_input', 'deform_conv_backward_parameters',
                  'modulated_deform_conv_forward', 'modulated_deform_conv_backward')


def prefer_compiled() -> None:
    """Let ``mmcv._ext`` be found; where it has been imported already, make it right."""
    if NAME in sys.modules:
        take_any_layout(sys.modules[NAME])
    else:
        when_searched(NAME, choose)


def is_compiled(module: ModuleType) -> bool:
    """Whether a module that stands for ``mmcv._ext`` is mmcv's own."""
    return isinstance(getattr(getattr(module, '__spec__', None), 'loader', None), ExtensionFileLoader)


def take_any_layout(module: ModuleType) -> None:
    """Let compiled operators see contiguous tensors only: copies, or ours run instead, which return the same."""
    if not is_compiled(module) or hasattr(module, '_takes_any_layout'):
        return
    module._takes_any_layout = True
    for names, wrap in ((READ_A_MAP, _first_contiguous), (READ_AND_WRITE, _ours_unless_contiguous)):
        for name in names:
            if hasattr(module, name):
                setattr(module, name, functools.wraps(getattr(module, name))(wrap(name, getattr(module, name))))


def _ours_unless_contiguous(name: str, compiled: Callable) -> Callable:
    def call(*tensors, **sizes):
        if all(tensor.is_contiguous() for tensor in tensors):
            return compiled(*tensors, **sizes)
        from se_backbones.mmcv_ext import operators
        return getattr(operators, name)(*tensors, **sizes)
    return call


def _first_contiguous(name: str, compiled: Callable) -> Callable:
    def call(maps, *rest, **sizes):
        return compiled(maps.contiguous(), *rest, **sizes)
    return call


def choose(spec: ModuleSpec | None) -> ModuleSpec:
    """Return ours if nothing was found; let compiled ones that were found prove themselves when they are loaded."""
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
                'mmcv before se_backbones need an mmcv without these; see se-backbones doctor.', error)
            self.loader = SourceFileLoader(NAME, str(OURS))
            return None

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        # From here on the module is as if nobody had looked on.
        module.__spec__.loader = module.__loader__ = self.loader
        module.__spec__.origin = module.__file__ = self.loader.path
        take_any_layout(module)

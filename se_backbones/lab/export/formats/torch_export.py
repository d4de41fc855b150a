"""``torch.export``: a graph with its weights, for PyTorch itself and what is built on it (AOTInductor, ExecuTorch)."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from se_backbones.lab.export.errors import ExportError

# Sizes that stay free whatever the operations ask of them, since PyTorch 2.6.
CAN_EXPORT = hasattr(torch.export.Dim, 'DYNAMIC')
FACTS = 'se_backbones.json'


def to_bytes(net: nn.Module, example: Tensor, free: tuple[int, ...], facts: dict) -> bytes:
    """Return the file of a network.

    Args:
        net: In eval mode; it takes one tensor and returns a tensor or a tuple of them.
        example: A tensor that it takes.
        free: The axes of the tensor that may have another length in use.
        facts: What goes into the file beside the network; plain data.
    """
    file = io.BytesIO()
    torch.export.save(to_program(net, example, free), file, extra_files={FACTS: json.dumps(facts)})
    return file.getvalue()


def from_bytes(data: bytes) -> Callable[[Tensor], list[Tensor]]:
    """Return the network of a file as a function."""
    # The guards ask for sizes like that of the example, such as more than one cell at every stride; no operation does.
    return listing_outputs(torch.export.load(io.BytesIO(data)).module(check_guards=False))


def listing_outputs(module: Callable) -> Callable[[Tensor], list[Tensor]]:
    """Return a module that gives a tensor or a tuple as a function that gives a list."""
    @torch.no_grad()
    def run(images: Tensor) -> list[Tensor]:
        outputs = module(images)
        return [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return run


def to_program(net: nn.Module, example: Tensor, free: tuple[int, ...]) -> ExportedProgram:
    """Return the graph of a network; see :func:`to_bytes`.

    Raises:
        ExportError: PyTorch is too old.
    """
    if not CAN_EXPORT:
        raise ExportError("format 'onnx' and 'torch-export' need PyTorch 2.6 or later, and this is "
                          f"{torch.__version__}; 'torchscript' works here.")
    with torch.no_grad(), quiet():
        dynamic = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
        return torch.export.export(net, (example,), dynamic_shapes=(dynamic,), strict=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what exporters say of their own code: tracebacks where sympy simplified nothing, deprecated calls."""
    loggers = [logging.getLogger(name) for name in ('torch.fx.experimental.symbolic_shapes', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

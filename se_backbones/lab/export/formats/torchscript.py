"""TorchScript, by tracing: for libtorch in C++ and for older PyTorch."""

import io
import json
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

FACTS = 'se_backbones.json'


def to_bytes(net: nn.Module, example: Tensor, free: tuple[int, ...], facts: dict) -> bytes:
    """Return the file of a network; see :func:`torch_export.to_bytes`. Lengths of axes are free where they can be."""
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # about sizes that are compared, and that tracing is the older way
        traced = torch.jit.trace(net, (example,), check_trace=False)
        torch.jit.save(traced, file, _extra_files={FACTS: json.dumps(facts)})
    return file.getvalue()


def from_bytes(data: bytes) -> Callable[[Tensor], list[Tensor]]:
    """Return the network of a file as a function."""
    module = _load(data)

    @torch.no_grad()
    def run(images: Tensor) -> list[Tensor]:
        outputs = module(images)
        return [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return run


def facts_of(data: bytes) -> dict:
    """Return the facts that a file was written with."""
    extra = {FACTS: ''}
    _load(data, extra)
    return json.loads(extra[FACTS])


def _load(data: bytes, extra: dict | None = None) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return torch.jit.load(io.BytesIO(data), _extra_files=extra)

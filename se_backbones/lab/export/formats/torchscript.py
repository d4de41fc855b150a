"""TorchScript, by tracing: for libtorch in C++ and for older PyTorch."""

import io
import json
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from se_backbones.lab.export.formats.torch_export import FACTS, listing_outputs


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
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return listing_outputs(torch.jit.load(io.BytesIO(data)))

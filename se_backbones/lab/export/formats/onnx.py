"""ONNX, written by PyTorch's exporter from the graph of ``torch.export``, and run by ONNX Runtime."""

import json
from collections.abc import Callable

import torch
from torch import Tensor, nn

from se_backbones.lab.export.formats.torch_export import quiet, to_program

FACTS = 'se_backbones'


def to_bytes(net: nn.Module, example: Tensor, free: tuple[int, ...], facts: dict) -> bytes:
    """Return the file of a network; see :func:`torch_export.to_bytes`. Its outputs have the names in ``facts``."""
    program = to_program(net, example, free)
    with quiet():
        exported = torch.onnx.export(program, (), dynamo=True, input_names=[facts['input']],
                                     output_names=facts['outputs'], verbose=False)
    exported.model.metadata_props[FACTS] = json.dumps(facts)
    return exported.model_proto.SerializeToString()


def from_bytes(data: bytes) -> Callable[[Tensor], list[Tensor]]:
    """Return the network of a file as a function; it uses as many threads as PyTorch does here."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> list[Tensor]:
        return [torch.from_numpy(output) for output in session.run(None, {name: images.numpy()})]
    return run

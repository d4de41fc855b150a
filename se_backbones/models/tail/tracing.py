"""Who looks at all operations, so that they must run as they are written."""

import torch


def is_traced() -> bool:
    """Return whether another program takes operations down (tracing, export, compilers), or derives in another way.

    Compilers see the plain operations, and fuse them by themselves; forward mode and torch.func differentiate them.
    """
    return (torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.jit.is_scripting()
            or torch.onnx.is_in_onnx_export() or torch.autograd.forward_ad._current_level >= 0
            or torch._C._functorch.peek_interpreter_stack() is not None)

"""Who looks at a module's operations, so that they must run as they are written."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules import module as torch_module

# Hooks of all modules at once; torch asks for them in a function whose name has changed between its releases.
_GLOBAL_HOOKS = ('_global_forward_hooks', '_global_forward_pre_hooks', '_global_backward_hooks',
                 '_global_backward_pre_hooks')


def is_traced() -> bool:
    """Return whether another program takes operations down (tracing, export, compilers), or derives in another way.

    Compilers see the plain operations, and fuse them by themselves; forward mode and torch.func differentiate them.
    """
    return (torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.jit.is_scripting()
            or torch.onnx.is_in_onnx_export() or torch.autograd.forward_ad._current_level >= 0
            or torch._C._functorch.peek_interpreter_stack() is not None)


def is_watched(modules: Iterable[nn.Module]) -> bool:
    """Return whether a hook would miss a call of one of the modules."""
    return any(getattr(torch_module, hooks) for hooks in _GLOBAL_HOOKS) or any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
        for module in modules)

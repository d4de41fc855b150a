"""Training in bfloat16 on any device; mmengine's AmpOptimWrapper refuses CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import autocast
from torch import nn

from se_backbones.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """The forward pass in bfloat16 (``torch.autocast``), whose range is that of float32: no loss is scaled.

    ``optim_wrapper=dict(type='se_backbones.BFloat16OptimWrapper', optimizer=...)``. Weights, their gradients and
    validation stay in float32. It pays on CPUs with ``avx512_bf16`` or ``amx_bf16`` (see ``lscpu``); others emulate it.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield

"""What mmcv asks of its operators for the report on the environment (``mmcv.ops.info``)."""

import torch


def get_compiler_version() -> str:
    return "not compiled: torchvision's operators"


def get_compiling_cuda_version() -> str:
    """Return the CUDA version of torch, for whose torchvision's operators were compiled."""
    return torch.version.cuda or 'not available'

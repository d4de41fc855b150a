"""Half precision: computed in float32, as torchvision does under autocast, and returned in the tensor's own type."""

import torch


def wide(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return float16 and bfloat16 tensors as float32, others as they are."""
    return tuple(x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in tensors)

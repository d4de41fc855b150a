"""What a batch norm would do to its input and to itself, for code that does it in another way."""

import torch
from torch import Tensor, nn


def uses_batch_statistics(norm: nn.BatchNorm2d) -> bool:
    """Return whether the norm takes mean and variance from what it sees, as :class:`torch.nn.BatchNorm2d` decides."""
    return norm.training or (norm.running_mean is None and norm.running_var is None)


def sees_one_value(norm: nn.BatchNorm2d, x: Tensor) -> bool:
    """Return whether torch would raise, since each channel of ``x`` ``(N, C, H, W)`` has one value."""
    return uses_batch_statistics(norm) and x.numel() == x.shape[1]


@torch.no_grad()
def update_running_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, x: Tensor) -> None:
    """Update as torch does: the unbiased variance, and for ``momentum=None`` the mean over all batches so far.

    Args:
        norm: Nothing happens to it where it is not in training, or tracks no statistics.
        mean, variance: Of each channel of ``x``, ``(C,)``; the variance is the biased one.
        x: ``(N, C, H, W)``.
    """
    if not (norm.training and norm.track_running_stats):
        return
    factor = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if factor is None:
            factor = 1.0 / float(norm.num_batches_tracked)
    factor = factor or 0.0
    count = x.numel() // x.shape[1]
    norm.running_mean.mul_(1 - factor).add_(mean, alpha=factor)
    norm.running_var.mul_(1 - factor).add_(variance * (count / (count - 1)), alpha=factor)

"""Focal losses (``mmcv/ops/focal_loss.py``), whose compiled versions exist on CUDA alone; these run everywhere.

Semantics: ``sigmoid_focal_loss_cuda_kernel.cuh`` and ``softmax_focal_loss_cuda_kernel.cuh``. ``target`` (N,) holds
classes; to the sigmoid C is the background, to the softmax a negative one is ignored. ``weight`` (C,): a factor by
class, or empty.
"""

import torch

from se_backbones.mmcv_ext.operators.precision import wide

SMALLEST = torch.finfo(torch.float32).tiny  # what compiled logarithms are kept above


def _log(p: torch.Tensor) -> torch.Tensor:
    return p.clamp(min=SMALLEST).log_()


def _is_class(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return target[:, None] == torch.arange(x.size(1), device=x.device)


def _factor(target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor | int:
    return torch.cat([weight, weight.new_ones(1)])[target] if weight.numel() else 1  # the background counts once


def sigmoid_focal_loss_forward(input, target, weight, output, *, gamma, alpha):
    """Fill ``output`` (N, C) with the loss of each class, from logits (N, C)."""
    (x,) = wide(input)
    p = x.sigmoid()
    loss = torch.where(_is_class(x, target), -alpha * (1 - p)**gamma * _log(p),
                       (alpha - 1) * p**gamma * _log(1 - p))
    output.copy_(loss.T.mul(_factor(target, weight)).T)


def sigmoid_focal_loss_backward(input, target, weight, grad_input, *, gamma, alpha):
    """Fill ``grad_input`` (N, C) with the derivatives of the losses."""
    (x,) = wide(input)
    p = x.sigmoid()
    grad = torch.where(_is_class(x, target), -alpha * (1 - p)**gamma * (1 - p - gamma * p * _log(p)),
                       (alpha - 1) * p**gamma * (gamma * (1 - p) * _log(1 - p) - p))
    grad_input.copy_(grad.T.mul(_factor(target, weight)).T)


def _of_class(softmax: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]


def softmax_focal_loss_forward(input, target, weight, output, *, gamma, alpha):
    """Fill ``output`` (N,) from the softmax (N, C), which mmcv's Python has computed."""
    (softmax,) = wide(input)
    p = _of_class(softmax, target)
    loss = -alpha * (1 - p)**gamma * _log(p) * _factor(target.clamp(min=0), weight)
    output.copy_(loss.where(target >= 0, 0))


def softmax_focal_loss_backward(input, target, weight, buff, grad_input, *, gamma, alpha):
    """Fill ``grad_input`` (N, C) with the derivatives by the logits, from the softmax; ``buff`` (N,) is not needed."""
    (softmax,) = wide(input)
    p = _of_class(softmax, target)
    slope = alpha * (gamma * (1 - p)**(gamma - 1) * p * _log(p) - (1 - p)**gamma)
    slope = (slope * _factor(target.clamp(min=0), weight)).where(target >= 0, 0)
    grad_input.copy_(slope[:, None] * (_is_class(softmax, target).to(softmax) - softmax))

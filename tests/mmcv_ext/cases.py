"""Calls of mmcv's operators whose results ``record.py`` has kept from the compiled ones: ``{name: array}``."""

from collections.abc import Iterator

import numpy as np
import torch
from mmcv import ops


def results() -> dict[str, np.ndarray]:
    """Call each operator on the same inputs, whatever operators mmcv runs on."""
    found = {}
    for cases in (_roi_align, _nms, _soft_nms, _nms_match, _overlaps, _deform_conv, _modulated_deform_conv):
        for name, *tensors in cases():
            for number, tensor in enumerate(tensors):
                found[f'{cases.__name__.strip("_")} {name} {number}'] = np.asarray(tensor.detach())
    return found


def _numbers(*shape: int, seed: int = 0, dtype=torch.float64, low: float = -1., high: float = 1.) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, shape)).to(dtype)


def _boxes(number: int, seed: int, size: float = 40., dtype=torch.float32) -> torch.Tensor:
    corner = _numbers(number, 2, seed=seed, low=0, high=size, dtype=dtype)
    return torch.cat([corner, corner + _numbers(number, 2, seed=seed + 1, low=1, high=size / 2, dtype=dtype)], 1)


def _scores(number: int, seed: int) -> torch.Tensor:
    """Scores of which every third one is shared by several boxes."""
    scores = _numbers(number, seed=seed, low=0.01, high=1, dtype=torch.float32)
    scores[::3] = (scores[::3] * 4).round() / 4
    return scores


def _differentiate(function, *inputs: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the output and the gradients of inputs of floating point."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    output = function(*inputs)
    yield output
    yield from torch.autograd.grad(output, inputs, _numbers(*output.shape, seed=9, dtype=output.dtype))


# Inside, larger than the image, outside of it, of no size, smaller than a pixel, across the border; two images.
ROIS = torch.tensor([[0, 1.3, 2.1, 9.7, 12.2], [1, -5, -4, 40, 33], [1, 60, 60, 80, 75], [0, 4, 4, 4, 4],
                     [1, 6.2, 3.1, 6.4, 3.2], [0, 20, 10, 30, 31.5], [0, 0, 0, 17, 13]], dtype=torch.float64)


def _roi_align():
    for dtype in (torch.float32, torch.float64):
        for aligned in (True, False):
            for samples in (0, 1, 2):
                maps, rois = _numbers(2, 3, 7, 9, seed=3, dtype=dtype), ROIS.to(dtype)
                yield (f'{dtype} {aligned=} {samples=}', *_differentiate(
                    lambda x: ops.roi_align(x, rois, (3, 2), 0.5, samples, 'avg', aligned), maps))  # noqa: B023
    yield 'no boxes', *_differentiate(lambda x: ops.roi_align(x, torch.zeros(0, 5), 2, 1., 0, 'avg', True),
                                      torch.ones(1, 2, 3, 3))


def _nms():
    for seed in range(8):
        boxes, scores = _boxes(40, seed), _scores(40, seed)
        boxes[5:8] = boxes[:3]
        for threshold in (0.1, 0.3, 0.7):
            for offset in (0, 1):
                yield f'{seed=} {threshold=} {offset=}', ops.nms(boxes, scores, threshold, offset)[1]


def _soft_nms():
    for seed in range(4):
        for method in ('naive', 'linear', 'gaussian'):
            for offset in (0, 1):
                # No equal scores: among those, the order in memory decides in the compiled one.
                boxes, scores = _boxes(30, seed), _numbers(30, seed=seed, low=0.01, high=1, dtype=torch.float32)
                yield (f'{seed=} {method} {offset=}',
                       *ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset))


def _nms_match():
    for seed in range(4):
        groups = ops.nms_match(torch.cat([_boxes(30, seed), _scores(30, seed)[:, None]], 1), 0.4)
        yield f'{seed=}', torch.cat([torch.cat([group, group.new_tensor([-1])]) for group in groups])


def _overlaps():
    for mode in ('iou', 'iof'):
        for offset in (0, 1):
            yield f'{mode} {offset=}', ops.bbox_overlaps(_boxes(5, 1), _boxes(4, 2), mode, False, offset)
            yield f'{mode} {offset=} aligned', ops.bbox_overlaps(_boxes(5, 1), _boxes(5, 2), mode, True, offset)


def _sizes():
    settings = (1, 1, 1, 1, 1), (2, 1, 2, 0, 1), (1, 2, (1, 2), (2, 1), 2)
    for groups, offset_groups, stride, padding, dilation in settings:
        height, width = ((n + 2 * p - 2 * dilation - 1) // s + 1 for n, p, s in zip(
            (6, 7), np.broadcast_to(padding, 2).tolist(), np.broadcast_to(stride, 2).tolist()))
        weight = _numbers(4, 4 // groups, 3, 3, seed=1)
        offset = _numbers(2, offset_groups * 18, height, width, seed=2, low=-2, high=2)
        yield groups, offset_groups, stride, padding, dilation, _numbers(2, 4, 6, 7, seed=4), weight, offset


def _deform_conv():
    for groups, offset_groups, stride, padding, dilation, x, weight, offset in _sizes():
        yield f'{groups=} {offset_groups=}', *_differentiate(
            lambda x, offset, weight: ops.deform_conv2d(
                x, offset, weight, stride, padding, dilation, groups, offset_groups), x, offset, weight)  # noqa: B023


def _modulated_deform_conv():
    for groups, offset_groups, stride, padding, dilation, x, weight, offset in _sizes():
        mask = _numbers(2, offset_groups * 9, *offset.shape[2:], seed=6, low=0)
        yield f'{groups=} {offset_groups=}', *_differentiate(
            lambda x, offset, mask, weight, bias: ops.modulated_deform_conv2d(
                x, offset, mask, weight, bias, stride, padding, dilation, groups, offset_groups),  # noqa: B023
            x, offset, mask, weight, _numbers(4, seed=7))

"""NMS and its relatives (``mmcv/ops/nms.py``), overlaps of boxes (``mmcv/ops/bbox.py``).

Boxes are (N, 4): x1, y1, x2, y2; their width is x2 - x1 + offset. Semantics: ``csrc/pytorch/cpu/nms.cpp`` and
``bbox_overlaps_cpu.cpp``.
"""

from collections.abc import Callable

import numpy as np
import torch
import torchvision.ops  # noqa: F401  registers torch.ops.torchvision

from se_backbones.mmcv_ext.operators.precision import wide


def nms(boxes, scores, *, iou_threshold, offset=0):
    """Return the indices of the boxes that stay, by falling score."""
    (boxes,) = wide(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # Of equal scores the one that mmcv's sort puts first must win, not the one that torchvision's would: a training
    # takes another way otherwise. So torchvision sees sorted boxes, with scores that fall.
    order = scores.sort(0, descending=True)[1]
    falling = torch.arange(len(boxes), 0, -1, device=boxes.device, dtype=boxes.dtype)
    # mmcv compares with a float, torchvision with a double.
    return order[torch.ops.torchvision.nms(boxes[order], falling, float(np.float32(iou_threshold)))]


def softnms(boxes, scores, dets, *, iou_threshold, sigma, min_score, method, offset):
    """Fill ``dets`` (N, 5) with boxes and lowered scores in the order of choice; return the indices of those that stay.

    ``method``: 0 drops overlapping boxes, 1 lowers their scores by the overlap, 2 by a Gaussian of it, ``sigma`` wide.
    On the CPU, in float32; boxes whose score is no number are dropped.
    Of equal scores the first box is chosen; compiled, the changing order in memory decides.
    """
    table, left = boxes.detach().float().numpy(), scores.detach().float().nan_to_num(
        -torch.inf, torch.inf, -torch.inf).numpy()
    overlaps_with = _row_by_row(table, offset)
    found, chosen = np.empty((len(left), 5), np.float32), []
    with np.errstate(invalid='ignore', divide='ignore'):
        # Boxes that were chosen or dropped have the score -inf.
        while len(left) and left[best := left.argmax()] > -np.inf:
            found[len(chosen)] = *table[best], left[best]
            chosen.append(best)
            left[best] = -np.inf
            overlap = overlaps_with(best)
            if method == 2:
                # In double and rounded: numpy's exponential of floats differs in the last bit from the C library's.
                left *= np.exp(-(overlap * overlap) / np.float32(sigma), dtype=np.float64).astype(np.float32)
            else:
                near = overlap >= np.float32(iou_threshold)
                left[near] *= 1 - overlap[near] if method else 0
            left[~(left >= np.float32(min_score))] = -np.inf
    dets[:len(chosen)] = torch.from_numpy(found[:len(chosen)])
    return torch.tensor(np.array(chosen, dtype=np.int64))


def nms_match(dets, iou_threshold):
    """Return groups of indices: a box that stays, then those that it suppresses. ``dets`` (N, 5): boxes and scores."""
    order = dets[:, 4].sort(descending=True)[1].numpy()
    overlaps_with = _row_by_row(dets.detach().float().numpy()[order, :4], 0)
    left, groups = np.ones(len(order), bool), []
    with np.errstate(invalid='ignore', divide='ignore'):
        for first in range(len(order)):
            if left[first]:
                left[first] = False
                near = left & (overlaps_with(first) >= np.float32(iou_threshold))
                groups.append(order[[first, *near.nonzero()[0]]].tolist())
                left &= ~near
    return groups


def _row_by_row(boxes: np.ndarray, offset: int) -> Callable[[int], np.ndarray]:
    """Return a function that gives the overlaps of one of the boxes with all: rows of the matrix as they are needed."""
    x1, y1, x2, y2 = (np.ascontiguousarray(column) for column in boxes.T)
    offset = np.float32(offset)
    with np.errstate(invalid='ignore'):
        sizes = (x2 - x1 + offset) * (y2 - y1 + offset)

    def overlaps_with(i: int) -> np.ndarray:
        common = (np.maximum(np.minimum(x2, x2[i]) - np.maximum(x1, x1[i]) + offset, 0)
                  * np.maximum(np.minimum(y2, y2[i]) - np.maximum(y1, y1[i]) + offset, 0))
        return common / (sizes[i] + sizes - common)
    return overlaps_with


def bbox_overlaps(boxes1, boxes2, ious, *, mode, aligned, offset):
    """Fill ``ious``: (N, M), or (N,) with ``aligned``; ``mode`` 0 divides by the union, 1 by the size of ``boxes1``."""
    if not aligned:
        boxes1 = boxes1[:, None]
    common = (torch.minimum(boxes1[..., 2:], boxes2[..., 2:]) - torch.maximum(boxes1[..., :2], boxes2[..., :2])
              + offset).clamp(min=0).prod(-1)
    size1, size2 = ((boxes[..., 2:] - boxes[..., :2] + offset).prod(-1) for boxes in (boxes1, boxes2))
    ious.copy_(common / (size1 if mode else size1 + size2 - common))

"""Compare the outputs of a file with the model's."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from se_backbones.lab.export.deployed import images_of

# Of boxes in pixels, of scores, and of maps where the largest value is 1.
TOLERANCE = 1e-3


def largest_differences(part: nn.Module, run: Callable[[Tensor], list[Tensor]],
                        batches: Iterable[dict]) -> dict[str, float]:
    """Return for each output the largest difference over all images: ``{'boxes': pixels, 'scores': ...}``.

    Args:
        part: What was exported, on the model as it was trained: ``part.expected`` is the host's own prediction.
        run: ``images -> outputs`` of the file.
        batches: Of one image each.

    Returns:
        Differences; of maps relative to their largest value. Infinite where labels or numbers of objects differ, or
            a number is NaN.
    """
    worst = dict.fromkeys(part.outputs, 0.0)
    for batch in batches:
        expected, found = part.expected(batch), run(images_of(batch)[0])
        if part.outputs == ('boxes', 'scores', 'labels'):
            found = _in_order_of(expected, found)
        for name, ours, theirs in zip(part.outputs, expected, found, strict=True):
            worst[name] = max(worst[name], _difference(name, ours, theirs))
    return worst


def _difference(name: str, expected: Tensor, found: Tensor) -> float:
    if expected.shape != found.shape:
        return math.inf
    if not expected.dtype.is_floating_point:
        return 0.0 if torch.equal(expected, found) else math.inf
    if not expected.numel():
        return 0.0
    scale = expected.abs().max().item() if name.startswith('feature') else 1.0
    # NaN is larger than nothing: max() would lose it.
    return (expected - found).abs().nan_to_num(math.inf, math.inf).max().item() / (scale or 1.0)


def _in_order_of(expected: list[Tensor], found: list[Tensor]) -> list[Tensor]:
    """Return the objects that were found in the order of the expected ones: equal scores have no order."""
    rows = [torch.cat([boxes, scores[:, None], 1e6 * labels[:, None]], 1)
            for boxes, scores, labels in (expected, found)]
    if len(rows[0]) != len(rows[1]) or not len(rows[0]):
        return found
    distances = torch.cdist(rows[0].double(), rows[1].double(), p=math.inf)
    order = []
    for row in distances:
        order.append(int(row.argmin()))
        distances[:, order[-1]] = math.inf
    return [output[order] for output in found]

"""Where the labels of boxes go: inside the picture, apart from each other, and off what they would hide."""

from collections.abc import Sequence

import numpy as np


def label_places(boxes: np.ndarray, sizes: Sequence[tuple[int, int]], width: int, height: int) -> np.ndarray:
    """Return the rectangle ``[x1, y1, x2, y2]`` of each label, ``(N, 4)`` int.

    A label lies at an edge of its box, outside or inside of it, where it covers least of other labels, of other boxes
    and of its own; small boxes count for more. The first ones choose first.

    Args:
        boxes: ``(N, 4)``, in pixels.
        sizes: Width and height of each label.
        width, height: Of the picture.
    """
    placed = np.zeros((0, 4), int)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for box, (wide, high) in zip(boxes, sizes, strict=True):
        left, top, right, bottom = box.round().astype(int)
        corners = np.array([(x, y) for y, xs in (
            (top - high, (left, right - wide)), (bottom, (left, right - wide)),  # above and below
            (top, (right, left - wide)), (bottom - high, (right, left - wide)),  # beside
            (top, (left, right - wide)), (bottom - high, (left, right - wide)),  # inside
        ) for x in xs])
        corners = np.clip(corners, 0, np.maximum(0, (width - wide, height - high)))
        places = np.concatenate([corners, corners + (wide, high)], 1)
        hidden = (_overlaps(places, boxes) / np.maximum(1, np.minimum(areas, wide * high))).sum(1)
        over = _overlaps(places, placed).sum(1) / (wide * high)
        # Rounded, so that of equally good places the first one is taken.
        placed = np.vstack([placed, places[np.argmin((hidden + 5 * over).round(1))]])
    return placed


def _overlaps(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the area that each of (P, 4) shares with each of (Q, 4), ``(P, Q)``."""
    low = np.maximum(places[:, None, :2], others[None, :, :2])
    high = np.minimum(places[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(-1)

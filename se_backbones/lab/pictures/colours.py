"""Colours that readers with any colour vision tell apart, and the ink that can be read on them."""

from collections.abc import Sequence

RGB = tuple[int, int, int]

# Petroff's sequences of six, eight and ten (arXiv 2107.02270), which he chose for the distance of each two under
# simulated colour blindness; matplotlib has them as 'petroff6', ...
PETROFF = {
    6: ('#5790fc', '#f89c20', '#e42536', '#964a8b', '#9c9ca1', '#7a21dd'),
    8: ('#1845fb', '#ff5e02', '#c91f16', '#c849a9', '#adad7d', '#86c8dd', '#578dff', '#656364'),
    10: ('#3f90da', '#ffa90e', '#bd1f01', '#94a4a2', '#832db6', '#a96b59', '#e76300', '#b9ac70', '#717581', '#92dadd'),
}
COLOURS = PETROFF[10]  # of lines; black is for the mean over all
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def colour(index: int) -> str:
    """Return the colour of the line with this index."""
    return COLOURS[index % len(COLOURS)]


def palette(count: int) -> list[RGB]:
    """Return a colour for each of ``count`` classes.

    Up to ten can be told apart by readers with any colour vision. The tens after the first are lighter and darker ones
    of the same; from the thirty-first on they come again.
    """
    base = [_rgb(name) for name in PETROFF[next((size for size in PETROFF if size >= count), 10)]]
    shades = [base, *([tuple((part + towards) // 2 for part in one) for one in base] for towards in (255, 0))]
    return [shades[index // len(base) % len(shades)][index % len(base)] for index in range(count)]


def contrast(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the contrast ratio of two RGB colours, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def ink(ground: Sequence[int]) -> RGB:
    """Return black or white, whichever has more contrast with the RGB colour beneath; it is never less than 4.58."""
    return max(BLACK, WHITE, key=lambda one: contrast(one, ground))


def _rgb(name: str) -> RGB:
    return tuple(bytes.fromhex(name[1:]))


def _luminance(rgb: Sequence[int]) -> float:
    parts = [part / 255 for part in rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""Which layout the keys of a checkpoint are in."""

from collections.abc import Collection

from se_backbones.checks import did_you_mean, first_few
from se_backbones.weights.errors import LayoutError
from se_backbones.weights.layouts.layout import Layout
from se_backbones.weights.layouts.tables import ALL, LAYOUTS


def get_layout(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        LayoutError: There is none; the text names all, and the nearest one.
    """
    if name not in LAYOUTS:
        raise LayoutError(f'There is no key layout {name!r}; there are {", ".join(LAYOUTS)}.'
                          f'{did_you_mean(name, LAYOUTS)}')
    return LAYOUTS[name]


def detect(keys: Collection[str]) -> Layout | None:
    """Return the layout that knows most of the keys, the first of several; None: each knows less than half."""
    best = max(ALL, key=lambda layout: layout.known(keys))
    return best if keys and 2 * best.known(keys) >= len(keys) else None


def check_looks_like(layout: Layout, keys: Collection[str]) -> None:
    """Raise LayoutError if the keys are not those of the layout: another one knows more of them, or none knows half."""
    if not keys:
        raise LayoutError('There are no tensors.')
    likely = detect(keys)
    if likely is not None and layout.known(keys) >= likely.known(keys):
        return
    looks = f'They look like {likely.name!r}, {likely.text}.' if likely else 'They are those of no layout that we know.'
    raise LayoutError(f'These are not the keys of the layout {layout.name!r} ({layout.text}), but {len(keys)} others: '
                      f'{first_few(keys)}. {looks}')

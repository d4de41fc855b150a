"""What the pictures of the analyses share: panels, colours, and writing them."""

from pathlib import Path
from typing import TYPE_CHECKING

from se_backbones.utils import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's, which readers with any colour vision tell apart; black is for the mean over all.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8B4513', '#999999', '#6A3D9A', '#B8B400')


def colour(index: int) -> str:
    """Return the colour of the line with this index."""
    return COLOURS[index % len(COLOURS)]


def panels(count: int, columns: int = 3, size: tuple[float, float] = (3.6, 2.6)) -> tuple['Figure', list['Axes']]:
    """Return a figure with ``count`` panels of ``size`` inches, at most ``columns`` side by side.

    The figure belongs to no window and no pyplot state: it can be drawn in any process.
    """
    from matplotlib.figure import Figure
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def tidy(axis: 'Axes', title: str = '', x: str = '', y: str = '') -> None:
    """Give a panel its words and a light grid."""
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    axis.spines[['top', 'right']].set_visible(False)


def save(figure: 'Figure', file: str | Path, dpi: int = 130) -> Path:
    """Write a figure in the format of the file's suffix, making its folder, and return the file."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(file) as part:
        figure.savefig(part, dpi=dpi, format=Path(file).suffix[1:])
    return Path(file)

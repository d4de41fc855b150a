"""What figures share: panels, words, legends and end labels beside the data, and the one way to save them."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from se_backbones.utils import atomic
from se_backbones.utils.validation import one_of

if TYPE_CHECKING:
    import argparse

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ('png', 'pdf', 'svg')
# What readers call what the hosts measure.
WORDS = {'accuracy/top1': 'top-1 accuracy (%)', 'accuracy/top5': 'top-5 accuracy (%)', 'coco/bbox_mAP': 'box mAP',
         'coco/segm_mAP': 'mask mAP', 'coco/bbox_mAP_50': 'box mAP50', 'coco/bbox_mAP_75': 'box mAP75',
         'pascal_voc/mAP': 'box mAP50', 'mIoU': 'mIoU (%)', 'accuracy_top-1': 'top-1 accuracy (%)'}


def in_words(metric: str) -> str:
    """Return what readers call a metric."""
    return WORDS.get(metric, metric)


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
    axis.set_title(title, fontsize=11, wrap=True)  # rather than cut off at the figure's edge
    axis.set_xlabel(x, fontsize=10)
    axis.set_ylabel(y, fontsize=10)
    axis.tick_params(labelsize=9)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)
    axis.spines[['top', 'right']].set_visible(False)


def legend_below(figure: 'Figure') -> None:
    """Put one legend for all panels below them, where it covers nothing."""
    entries = {}
    for axis in figure.axes:
        for handle, word in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(word, handle)
    if entries:
        # About ten characters are an inch wide, and a handle as six of them.
        room, widths = 10 * figure.get_figwidth(), [len(word) + 6 for word in entries]
        columns = len(entries) if sum(widths) <= room else max(1, int(room // max(widths)))
        legend = figure.legend(entries.values(), entries.keys(), loc='outside lower center', frameon=False, fontsize=10,
                               ncols=columns)
        for line in legend.get_lines():  # a colour is told by more than a hair of it
            line.set_linewidth(max(2.5, line.get_linewidth()))


def label_ends(figure: 'Figure', digits: int = 3) -> None:
    """Write name and last value of each line beside its end, right of the data, in place of a legend over it."""
    from matplotlib.lines import Line2D
    figure.draw_without_rendering()  # the heights of the panels are known after that
    for axis in figure.axes:
        to_axes = axis.transData + axis.transAxes.inverted()
        ends = sorted(((to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1]))[1], line) for line in axis.lines
                       if not line.get_label().startswith('_') and len(line.get_xdata())), key=lambda end: end[0])
        step = 1.25 * 9 * figure.dpi / 72 / axis.get_window_extent().height
        for height, (_, line) in zip(spread([height for height, _ in ends], step), ends, strict=True):
            value = f'{line.get_ydata()[-1]:#.{digits}g}'.rstrip('.')
            axis.text(1.08, height, f'{line.get_label()} {value}'.strip(), va='center', transform=axis.transAxes,
                      fontsize=9)
            axis.add_artist(Line2D([1.02, 1.06], [height, height], color=line.get_color(), lw=2.5, clip_on=False,
                                   transform=axis.transAxes))


def spread(heights: Iterable[float], step: float) -> list[float]:
    """Return heights from 0 on, in increasing order, moved apart to at least ``step``, about where they were."""
    groups: list[tuple[float, int]] = []  # middle, number
    for height in heights:
        groups.append((max(0.0, height), 1))
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < step * (groups[-1][1] + groups[-2][1]) / 2:
            (upper, many), (lower, few) = groups.pop(), groups.pop()
            middle = (upper * many + lower * few) / (many + few)
            groups.append((max(middle, step * (many + few - 1) / 2), many + few))
    return [middle + step * (index - (count - 1) / 2) for middle, count in groups for index in range(count)]


def add_format_option(parser: 'argparse.ArgumentParser') -> None:
    """Add ``--format`` to a tool that draws."""
    parser.add_argument('--format', choices=FORMATS, default='png',
                        help='of the picture: pdf and svg are vectors, for papers (default: png)')


def save(figure: 'Figure', file: str | Path, replace: bool = False) -> Path:
    """Write a figure in the format of the file's suffix, making its folder, and return the file.

    The same figure gives the same bytes; a PDF holds its fonts as TrueType, as publishers ask.

    Args:
        figure: The figure.
        file: ``.png``, ``.pdf`` or ``.svg``.
        replace: Whether an earlier file may be replaced.

    Raises:
        FileExistsError: The file exists.
        ValueError: It has another suffix.
    """
    file = Path(file)
    kind = one_of(f'the suffix of {file}', file.suffix[1:], FORMATS)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(file, new=not replace) as part:
        part.write_bytes(rendered(figure, kind))
    return file


def rendered(figure: 'Figure', kind: str) -> bytes:
    """Return a figure as the content of a file of one of :data:`FORMATS`."""
    import matplotlib
    undated = {'png': {}, 'pdf': dict(CreationDate=None), 'svg': dict(Date=None)}[kind]
    buffer = io.BytesIO()
    with matplotlib.rc_context({'pdf.fonttype': 42, 'svg.hashsalt': 'se_backbones'}):
        figure.savefig(buffer, dpi=130, format=kind, metadata=undated)
    return buffer.getvalue()

"""Training curves of one or several runs, from the scalars that mmengine's LocalVisBackend writes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Curve(NamedTuple):
    """One logged quantity: ``values[i]`` at step ``steps[i]``."""

    steps: list[int]
    values: list[float]


def read_curves(work_dir: str | Path) -> dict[str, Curve]:
    """Return every scalar of a run, over all its sessions: a resumed run continues the same curve.

    Steps are iterations for training scalars and epochs for validation scalars (``coco/bbox_mAP``, ``accuracy/top1``).

    Raises:
        FileNotFoundError: The folder holds no scalars.
    """
    logs = sorted(Path(work_dir).glob('**/vis_data/scalars.json'))
    if not logs:
        raise FileNotFoundError(f'{work_dir} holds no */vis_data/scalars.json; is it the work dir of a run?')
    points: dict[str, dict[int, float]] = {}
    for log in logs:
        for row in map(json.loads, log.read_text().splitlines()):
            for name, value in row.items():
                if name not in ('step', 'iter', 'epoch') and isinstance(value, (int, float)):
                    # A step that is repeated after a resume counts once, as it went the last time.
                    points.setdefault(name, {})[row['step']] = value
    return {name: Curve(*map(list, zip(*sorted(curve.items()), strict=True))) for name, curve in points.items()}


def plot_curves(runs: Mapping[str, str | Path], panels: Sequence[Sequence[str]], file: str | Path) -> Path:
    """Draw curves of several runs, one panel for each group of scalars, and return the file.

    Args:
        runs: ``{label: work_dir}``.
        panels: Names of scalars, such as ``[['loss'], ['coco/bbox_mAP', 'coco/bbox_mAP_50']]``.
        file: The PNG to write.
    """
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 3.6), squeeze=False, constrained_layout=True)
    for axis, names in zip(axes[0], panels, strict=True):
        for label, work_dir in runs.items():
            curves = read_curves(work_dir)
            for name in names:
                if name in curves:
                    line = name if len(runs) == 1 else label if len(names) == 1 else f'{label}: {name}'
                    axis.plot(*curves[name], label=line, marker='o' if len(curves[name].steps) < 20 else None)
        axis.set_xlabel('epoch' if '/' in names[0] else 'iteration')
        axis.set_title(names[0] if len(names) == 1 else names[0].split('/')[0])
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(frameon=False, fontsize=8)
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    plt.close(figure)
    return Path(file)

"""Training curves of one or several runs, from the scalars that mmengine's LocalVisBackend writes."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from se_backbones.lab.pictures.colours import COLOURS, colour
from se_backbones.lab.pictures.figures import in_words, label_ends, panels, save, tidy

BOOKKEEPING = ('step', 'iter', 'epoch')
TIMES = ('time', 'data_time')
# What is drawn of a run, the first that it logs. Accuracies are in per cent, and drawn as errors.
TRAINING = ('accuracy_top-1', 'loss')
VALIDATION = ('accuracy/top1', 'coco/bbox_mAP', 'pascal_voc/mAP', 'mIoU')
ERRORS = {'accuracy_top-1': 'training top-1 error (%)', 'accuracy/top1': 'validation top-1 error (%)'}


class Curve(NamedTuple):
    """One logged quantity: ``values[i]`` at step ``steps[i]``."""

    steps: list[int]
    values: list[float]


class Progression(NamedTuple):
    """How a run went.

    Attributes:
        training, validation: Curves over epochs, or over iterations where a run counts no epochs; None: not logged.
        training_name, validation_name: What they are, such as ``'training top-1 error (%)'`` and ``'coco/bbox_mAP'``.
        unit: ``'epoch'`` or ``'iteration'``.
    """

    training: Curve | None
    validation: Curve | None
    training_name: str
    validation_name: str
    unit: str


def _rows(work_dir: str | Path) -> Iterator[dict]:
    logs = sorted(Path(work_dir).glob('**/vis_data/scalars.json'))
    if not logs:
        raise FileNotFoundError(f'{work_dir} holds no */vis_data/scalars.json; is it the work dir of a run?')
    for log in logs:
        yield from map(json.loads, log.read_text().splitlines())


def read_curves(work_dir: str | Path) -> dict[str, Curve]:
    """Return every scalar of a run, over all its sessions: a resumed run continues the same curve.

    Steps are iterations for training scalars and epochs for validation scalars (``coco/bbox_mAP``, ``accuracy/top1``).

    Raises:
        FileNotFoundError: The folder holds no scalars.
    """
    return _curves(_rows(work_dir))


def read_validation(work_dir: str | Path) -> dict[str, Curve]:
    """Return what the validations of a run measured, ``{metric: curve}``.

    Raises:
        FileNotFoundError: The folder holds no scalars.
    """
    # What mmengine writes of a training step names its iteration.
    found = _curves(row for row in _rows(work_dir) if 'iter' not in row)
    return {name: curve for name, curve in found.items() if name not in TIMES}


def _curves(rows: Iterable[dict]) -> dict[str, Curve]:
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in BOOKKEEPING and isinstance(value, (int, float)):
                # A step that is repeated after a resume counts once, as it went the last time.
                points.setdefault(name, {})[row['step']] = value
    return {name: Curve(*map(list, zip(*sorted(curve.items()), strict=True))) for name, curve in points.items()}


def read_progression(work_dir: str | Path) -> Progression:
    """Return training and validation error of a run, as SE Fig. 4 and GE Fig. 4 draw them.

    The training error of an epoch is the mean of what was logged in it. It needs ``model.head.cal_acc=True`` in an
    mmpretrain classifier; without it, and for detectors, the training loss takes its place, and a detector's validation
    is its mAP.

    Raises:
        FileNotFoundError: The folder holds no scalars.
    """
    curves = read_curves(work_dir)
    training, validation = (next((name for name in names if name in curves), None) for names in (TRAINING, VALIDATION))
    points = {row['step']: row for row in _rows(work_dir) if training in row}
    epochs: dict[int, list[float]] = {}
    for row in points.values():
        epochs.setdefault(row.get('epoch'), []).append(row[training])
    by_epoch = None not in epochs
    if by_epoch and epochs:
        curve = Curve(sorted(epochs), [sum(epochs[epoch]) / len(epochs[epoch]) for epoch in sorted(epochs)])
    else:
        curve = curves.get(training)
    return Progression(_as_error(curve, training), _as_error(curves.get(validation), validation),
                       ERRORS.get(training, f'training {training}'),
                       ERRORS.get(validation, f'validation {in_words(validation)}'),
                       'epoch' if by_epoch else 'iteration')


def _as_error(curve: Curve | None, name: str | None) -> Curve | None:
    return Curve(curve.steps, [100 - value for value in curve.values]) if curve and name in ERRORS else curve


def draw_progression(axis, runs: Mapping[str, Progression], part: str) -> None:
    """Draw ``'training'`` or ``'validation'`` of several runs on one panel.

    Errors and losses that fall to a tenth have a logarithmic scale, on which their ends are apart.
    """
    names, values = [], []
    for index, (label, run) in enumerate(runs.items()):
        curve = getattr(run, part)
        if curve is not None:
            names.append(getattr(run, f'{part}_name'))
            values += curve.values
            axis.plot(*curve, color=colour(index), lw=1.4, marker='.' if len(curve.steps) < 40 else None, label=label)
    what = ' or '.join(dict.fromkeys(names))
    tidy(axis, '', next(iter(runs.values())).unit, what or f'no {part} curve is logged')
    axis.xaxis.get_major_locator().set_params(integer=True)
    if ('error' in what or 'loss' in what) and min(values) > 0 and max(values) > 10 * min(values):
        axis.set_yscale('log')
        axis.yaxis.get_major_locator().set_params(subs=(1, 2, 5))
        axis.yaxis.set_major_formatter('{x:g}')


def plot_progression(runs: Mapping[str, str | Path], file: str | Path) -> Path:
    """Draw training (left) and validation (right) of several runs, as in the GE paper's Figure 4; return the file.

    Args:
        runs: ``{label: work_dir}``.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.

    Raises:
        FileNotFoundError: One of the folders holds no scalars.
    """
    found = {label: read_progression(work_dir) for label, work_dir in runs.items()}
    figure, axes = panels(2, columns=2, size=(4.2, 3.2))
    for axis, part in zip(axes, ('training', 'validation'), strict=True):
        draw_progression(axis, found, part)
    label_ends(figure)
    return save(figure, file)


def saturation_curves(curves: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Return what ``GateSaturationHook`` logged: ``{'below_0.05': {operator: curve}, 'above_0.95': ...}``.

    The operator ``'all'`` stands for all of them together. Empty where the run had no such hook.
    """
    result: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        if name.startswith('gates/'):
            operator, _, threshold = name.removeprefix('gates/').rpartition('/')
            result.setdefault(threshold, {})[operator or 'all'] = curve
    return result


def draw_saturation(axis, threshold: str, curves: Mapping[str, Curve]) -> None:
    """Draw the share of gates beyond one threshold over training: all together black, the operators with most coloured.

    Operators without as much as half a per cent, and those after the tenth, are grey.
    """
    single = sorted((name for name in curves if name != 'all'), key=lambda name: -curves[name].values[-1])
    most = [name for name in single if max(curves[name].values) >= 0.005][:len(COLOURS)]
    chosen = [name for name in curves if name in most]  # in the network's order, as on the other panel
    others = [name for name in single if name not in chosen]
    for index, name in enumerate(others):
        axis.plot(*curves[name], color='#BBBBBB', lw=1, label=f'_{name}' if index else f'{len(others)} others, at most')
    for name in chosen:
        axis.plot(*curves[name], color=colour(chosen.index(name)), lw=1.2, label=name)
    if 'all' in curves:
        axis.plot(*curves['all'], color='black', lw=1.8, label='all')
    tidy(axis, f'gates {threshold.replace("_", " ")}', 'iteration', 'share of gates')
    # Most networks saturate a small part of their gates: a tenth fills the panel.
    highest = max((value for curve in curves.values() for value in curve.values), default=0)
    axis.set_ylim(0, max(0.1, 1.05 * highest))


def plot_saturation(work_dir: str | Path, file: str | Path) -> Path:
    """Draw the gate saturation of a run over training and return the file.

    Raises:
        FileNotFoundError: The folder holds no scalars.
        ValueError: The run had no ``GateSaturationHook``.
    """
    found = saturation_curves(read_curves(work_dir))
    if not found:
        raise ValueError(f'{work_dir} has no gate saturation in its log; train with '
                         "custom_hooks=[dict(type='se_backbones.GateSaturationHook')].")
    figure, axes = panels(len(found), columns=2, size=(4.2, 3.2))
    for axis, (threshold, curves) in zip(axes, found.items(), strict=True):
        draw_saturation(axis, threshold, curves)
    label_ends(figure, digits=2)
    return save(figure, file)


def plot_curves(runs: Mapping[str, str | Path], names: Sequence[Sequence[str]], file: str | Path) -> Path:
    """Draw chosen scalars of several runs, one panel for each group of them, and return the file.

    Args:
        runs: ``{label: work_dir}``.
        names: Names of scalars, such as ``[['loss'], ['coco/bbox_mAP', 'coco/bbox_mAP_50']]``.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.
    """
    figure, axes = panels(len(names), columns=2, size=(4.4, 3.2))
    found = {label: read_curves(work_dir) for label, work_dir in runs.items()}
    for axis, group in zip(axes, names, strict=True):
        drawn = [(label, name, curves[name]) for label, curves in found.items() for name in group if name in curves]
        for index, (label, name, curve) in enumerate(drawn):
            words = [*([label] if len(runs) > 1 else []), *([in_words(name)] if len(group) > 1 else [])]
            axis.plot(*curve, label=': '.join(words), color=colour(index), lw=1.4,
                      marker='.' if len(curve.steps) < 20 else None)
        # The hosts' validation metrics, which count epochs, have a slash in their names; so have our gates' shares.
        epochs = '/' in group[0] and not group[0].startswith('gates/')
        tidy(axis, '', 'epoch' if epochs else 'iteration', in_words(group[0]))
        axis.xaxis.get_major_locator().set_params(integer=True)
    label_ends(figure)
    return save(figure, file)

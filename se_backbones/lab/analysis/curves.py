"""Training curves of one or several runs, from the scalars that mmengine's LocalVisBackend writes."""

import json
import math
import statistics
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from itertools import count, takewhile
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
        training_unit, validation_unit: ``'epoch'`` or ``'iteration'``.
    """

    training: Curve | None
    validation: Curve | None
    training_name: str
    validation_name: str
    training_unit: str
    validation_unit: str


def _runs(work_dir: str | Path) -> list[list[dict]]:
    """Return the logged rows of a run, or of each seed of a config in a sweep: the folders ``seed_0``, ``seed_1``."""
    runs: dict[Path, list[dict]] = {}
    own = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    for log in own or sorted(Path(work_dir).glob('*/**/vis_data/scalars.json')):
        rows = _rows(log)
        runs[log.parents[2]] = [*_before(runs.get(log.parents[2], []), rows), *rows]
    if not runs:
        raise FileNotFoundError(f'{work_dir} holds no */vis_data/scalars.json; is it the work dir of a run?')
    if len(runs) > 1 and {(run.parent, run.name[:5]) for run in runs} != {(Path(work_dir), 'seed_')}:
        raise ValueError(f'{work_dir} holds {len(runs)} runs: name one of them, such as {min(runs)}.')
    return list(runs.values())


def _rows(log: Path) -> list[dict]:
    """Return the rows of a session; a validation has its iteration as its step, or an epoch as step and ``epoch``."""
    lines, rows = log.read_text(errors='replace').splitlines(), []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):  # half a line: the session was killed, or the disk was full
                break
            raise ValueError(f'{log}, line {number}, is not JSON: {error}.') from None
    trained = [row for row in rows if 'iter' in row]
    loop = _loop(log.with_name('config.py'))
    if 'max_iters' in loop or trained and any(row['step'] == 0 for row in rows):
        return _by_iteration(rows, trained, loop)
    last = None
    for row in rows:
        if 'iter' in row:
            last = row
        elif trained and 'epoch' in trained[0]:
            # LoggerHook(log_metric_by_epoch=False) gives it the iteration.
            row['step'] = row['epoch'] = min(row['step'], last['epoch'] if last else trained[0]['epoch'] - 1)
        elif last is None or row['step'] < last['iter']:
            row['epoch'] = row['step']  # LogProcessor(by_epoch=False) leaves it out in training
    return rows


def _loop(config: Path) -> Mapping:
    """Return the loop's settings from the config that mmengine writes beside a log; empty: they are not known."""
    from mmengine.config import Config
    try:
        return Config.fromfile(config, import_custom_modules=False).get('train_cfg') or {}
    except Exception:  # it is not there, or holds objects whose text is no code
        return {}


def _by_iteration(rows: list[dict], trained: Sequence[dict], loop: Mapping) -> list[dict]:
    """Return the rows of a loop that counts no epochs; mmengine may say that all validations are in epoch 0.

    They were at the iterations at which the loop validates. Those before the first logged iteration of a session are
    the last of these before it: a resumed session does not begin with the loop's first.
    """
    from mmengine.runner.utils import calc_dynamic_intervals
    milestones, intervals = calc_dynamic_intervals(loop.get('val_interval', 1), loop.get('dynamic_intervals'))
    end = loop.get('max_iters', math.inf)

    def due(iteration: int) -> bool:
        return iteration >= loop.get('val_begin', 1) and (
            iteration % intervals[bisect(milestones, iteration + 1) - 1] == 0 or iteration == end)

    first = trained[0]['iter'] if trained else 0
    places = filter(due, range(first - 1, 0, -1)) if loop else iter(())
    for row in reversed([*takewhile(lambda row: 'iter' not in row, rows)]):
        row['step'] = row['step'] or next(places, -1)
    reached = first
    for row in rows:
        row.pop('epoch', None)  # LogProcessor says of all iterations that they are in epoch 1, unless by_epoch=False
        row['step'] = row['step'] or next(filter(due, count(reached)))
        reached = max(first, row['step'] + ('iter' not in row))
    return [row for row in rows if row['step'] > 0]  # others were at an iteration that is not known


def _before(earlier: Sequence[dict], rows: Sequence[dict]) -> list[dict]:
    """Return what a session that goes on from an older checkpoint leaves of the sessions before it."""
    first = next((row for row in rows if 'iter' in row), {})
    return [row for row in earlier
            if row['step'] < first.get('epoch' if 'epoch' in row and 'iter' not in row else 'iter', math.inf)]


def read_curves(work_dir: str | Path) -> dict[str, Curve]:
    """Return every scalar of a run, over all its sessions: a resumed run continues the same curve.

    Steps are iterations for training scalars and epochs for validation scalars (``coco/bbox_mAP``, ``accuracy/top1``),
    which have the iteration where a loop counts no epochs.
    Of the seeds of a sweep's config it is the mean, where all have been.

    Raises:
        FileNotFoundError: The folder holds no scalars.
        ValueError: It holds several runs, which are not the seeds of one.
    """
    return _means([_curves(rows) for rows in _runs(work_dir)])


def read_validation(work_dir: str | Path) -> dict[str, Curve]:
    """Return what the validations of a run measured, ``{metric: curve}``; see :func:`read_curves`."""
    # What mmengine writes of a training step names its iteration.
    found = _means([_curves(row for row in rows if 'iter' not in row) for rows in _runs(work_dir)])
    return {name: curve for name, curve in found.items() if name not in TIMES}


def _curves(rows: Iterable[dict]) -> dict[str, Curve]:
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        for name, value in row.items():
            # Times are those of training; a validation's would stand at the same steps.
            if name not in BOOKKEEPING and isinstance(value, (int, float)) and (name not in TIMES or 'iter' in row):
                # A step that is repeated after a resume counts once, as it went the last time.
                points.setdefault(name, {})[row['step']] = value
    return {name: Curve(*map(list, zip(*sorted(curve.items()), strict=True))) for name, curve in points.items()}


def _means(runs: Sequence[Mapping[str, Curve]]) -> dict[str, Curve]:
    """Return the mean over runs of each quantity that all have, at the steps that all have."""
    result = {}
    for name in runs[0]:
        if all(name in run for run in runs):
            points = [dict(zip(*run[name], strict=True)) for run in runs]
            steps = [step for step in runs[0][name].steps if all(step in values for values in points)]
            result[name] = Curve(steps, [statistics.fmean(values[step] for values in points) for step in steps])
    return result


def read_progression(work_dir: str | Path) -> Progression:
    """Return training and validation error of a run, as SE Fig. 4 and GE Fig. 4 draw them; see :func:`read_curves`.

    The training error of an epoch is the mean of what was logged in it. It needs ``model.head.cal_acc=True`` in an
    mmpretrain classifier; without it, and for detectors, the training loss takes its place, and a detector's validation
    is its mAP.
    """
    runs = _runs(work_dir)
    curves = _means([_curves(rows) for rows in runs])
    training, validation = (next((name for name in names if name in curves), None) for names in (TRAINING, VALIDATION))
    units = [_unit(runs, name) for name in (training, validation)]
    if training and units[0] == 'epoch':
        curves |= _means([{training: _by_epoch(rows, training)} for rows in runs])
    return Progression(_as_error(curves.get(training), training), _as_error(curves.get(validation), validation),
                       ERRORS.get(training, f'training {training}'),
                       ERRORS.get(validation, f'validation {in_words(validation)}'), *units)


def _unit(runs: Sequence[Sequence[dict]], name: str | None, without: str = '') -> str:
    """Return what the rows of a quantity count; those that name their iteration may name their epoch too."""
    return 'epoch' if all('epoch' in row and without not in row for rows in runs for row in rows if name in row) else \
        'iteration'


def _common_unit(units: Mapping[str, str]) -> str:
    """Return what all runs count, ``{label: unit}``.

    Raises:
        ValueError: Some count epochs and others iterations.
    """
    if len(set(units.values())) > 1:
        raise ValueError('runs that count epochs and runs that count iterations have no common axis: '
                         f'{", ".join(f"{label}: {unit}" for label, unit in units.items())}. Draw them one by one.')
    return next(iter(units.values()), 'epoch')


def _by_epoch(rows: Iterable[dict], name: str) -> Curve:
    """Return the mean of what was logged of a quantity in each epoch."""
    epochs: dict[int, list[float]] = {}
    for row in {row['step']: row for row in rows if name in row}.values():
        epochs.setdefault(row['epoch'], []).append(row[name])
    return Curve(sorted(epochs), [statistics.fmean(epochs[epoch]) for epoch in sorted(epochs)])


def _as_error(curve: Curve | None, name: str | None) -> Curve | None:
    return Curve(curve.steps, [100 - value for value in curve.values]) if curve and name in ERRORS else curve


def draw_progression(axis, runs: Mapping[str, Progression], part: str) -> None:
    """Draw ``'training'`` or ``'validation'`` of several runs on one panel.

    Errors and losses that fall to a tenth have a logarithmic scale, on which their ends are apart.

    Raises:
        ValueError: Some count epochs and others iterations.
    """
    names, values, units = [], [], {}
    for index, (label, run) in enumerate(runs.items()):
        curve = getattr(run, part)
        if curve is not None:
            units[label] = getattr(run, f'{part}_unit')
            names.append(getattr(run, f'{part}_name'))
            values += curve.values
            axis.plot(*curve, color=colour(index), lw=1.4, marker='.' if len(curve.steps) < 40 else None, label=label)
    what = ' or '.join(dict.fromkeys(names))
    tidy(axis, '', _common_unit(units), what or f'no {part} curve is logged')
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
        ValueError: Some count epochs and others iterations.
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


def plot_curves(runs: Mapping[str, str | Path], names: Sequence[Sequence[str]], file: str | Path,
                until: float = math.inf) -> Path:
    """Draw chosen scalars of several runs, one panel for each group of them, and return the file.

    Args:
        runs: ``{label: work_dir}``.
        names: Names of scalars, such as ``[['loss'], ['coco/bbox_mAP', 'coco/bbox_mAP_50']]``.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.
        until: The last step that is drawn.

    Raises:
        ValueError: Some of a panel count epochs and others iterations.
    """
    figure, axes = panels(len(names), columns=2, size=(4.4, 3.2))
    logs = {label: _runs(work_dir) for label, work_dir in runs.items()}
    found = {label: _means([_curves(rows) for rows in own]) for label, own in logs.items()}
    for axis, group in zip(axes, names, strict=True):
        drawn = [(label, name, curves[name]) for label, curves in found.items() for name in group if name in curves]
        for index, (label, name, curve) in enumerate(drawn):
            words = [*([label] if len(runs) > 1 else []), *([in_words(name)] if len(group) > 1 else [])]
            shown = [point for point in zip(*curve, strict=True) if point[0] <= until]
            axis.plot(*zip(*shown, strict=True), label=': '.join(words), color=colour(index), lw=1.4,
                      marker='.' if len(shown) < 20 else None)
        unit = _common_unit({f'{label} {name}': _unit(logs[label], name, 'iter') for label, name, _ in drawn})
        tidy(axis, '', unit, in_words(group[0]))
        axis.xaxis.get_major_locator().set_params(integer=True)
    label_ends(figure)
    return save(figure, file)

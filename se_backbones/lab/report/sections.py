"""The chapters of a report. Each takes the runs and says what it could not make, and why."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

from se_backbones.engine.preflight import check_config
from se_backbones.engine.sites import Site, last_of_each_stage, operators
from se_backbones.lab.analysis.complexity import Complexity, complexity
from se_backbones.lab.analysis.curves import (
    draw_progression,
    draw_saturation,
    read_curves,
    read_progression,
    read_validation,
    saturation_curves,
)
from se_backbones.lab.analysis.excitations import ALL, draw_excitation, excitations
from se_backbones.lab.analysis.gate_maps import gate_maps, plot_gate_maps
from se_backbones.lab.analysis.selectivity import draw_selectivity, selectivity
from se_backbones.lab.analysis.subject import Progress, Subject, evenly_spaced
from se_backbones.lab.inference import predict
from se_backbones.lab.inference.objects import truth_in
from se_backbones.lab.inference.prediction import sheet_of
from se_backbones.lab.pictures.colours import COLOURS
from se_backbones.lab.pictures.figures import label_ends
from se_backbones.lab.report.parts import Picture, Section, Table, chart, photograph, png
from se_backbones.lab.report.runs import Run, context_in_words, differences
from se_backbones.utils.config_types import type_name
from se_backbones.utils.dataset_configs import innermost_datasets

# What a run whose data or weights are elsewhere, or are another network's, raises.
MISSING = (ValueError, OSError, KeyError, AttributeError, RuntimeError)
# In the hosts' names of metrics: mmdet's miss rate of CrowdHuman, mmseg's errors of depth.
LOWER_IS_BETTER = ('loss', 'mMR', 'abs_rel', 'sq_rel', 'rmse', 'log10', 'silog')


@contextmanager
def _or_remark(remarks: list[str], label: str) -> Iterator[None]:
    try:
        yield
    except MISSING as error:
        remarks.append(f'{label}: {error}')


def open_subjects(runs: Sequence[Run], device: str, max_images: int | None) -> tuple[dict[str, Subject], list[str]]:
    """Return ``{label: subject}`` of the runs whose weights and data are there, and why the others are left out."""
    subjects, remarks = {}, []
    for run in runs:
        with _or_remark(remarks, run.label):
            if run.checkpoint is None:
                raise FileNotFoundError(f'{run.work_dir} holds no checkpoint.')
            check_config(run.cfg, ('test',))
            subjects[run.label] = Subject.load(run.cfg, run.checkpoint, device, max_images)
    return subjects, remarks


def overview(runs: Sequence[Run]) -> Section:
    """What the runs are."""
    section = Section('Runs', 'What was trained, from the config in each work dir.')
    section.tables.append(Table(
        ('run', 'model', 'backbone', 'operators', 'checkpoint'),
        [(run.label, type_name(run.cfg.model), _backbone_in_words(run), context_in_words(run.cfg),
          Path(run.checkpoint).name if run.checkpoint else 'none') for run in runs], words=True))
    return section


def _backbone_in_words(run: Run) -> str:
    backbone = run.cfg.model.get('backbone', {})
    return f'{backbone.get("type", "none")}, depth {backbone["depth"]}' if 'depth' in backbone else \
        str(backbone.get('type', 'none'))


def config_differences(runs: Sequence[Run]) -> Section | None:
    """The settings in which the runs differ; None for a single run."""
    if len(runs) < 2:
        return None
    found = differences(runs)
    section = Section('Config differences', 'Every setting that is not the same in all runs; "-" where there is none.'
                      if found else 'The configs of the runs are the same.')
    if found:
        section.tables.append(Table(('setting', *[run.label for run in runs]),
                                    [(key, *values) for key, values in found.items()], words=True))
    return section


def costs(runs: Sequence[Run], subjects: dict[str, Subject]) -> Section:
    """Parameters and multiply-adds, by operator."""
    section = Section('Complexity',
                      'For one image, counted as se-backbones analyse complexity does: multiply-adds of '
                      'convolutions and linear layers, without the parts of a detector whose work depends on the '
                      'image.')
    rows = []
    for run in runs:
        with _or_remark(section.remarks, run.label):
            size = input_size(run, subjects.get(run.label))
            found = complexity(run.cfg, size)
            rows.append((run.label, f'{size[0]} x {size[1]}', f'{found.total.parameters / 1e6:.3f}',
                         f'{found.total.multiply_adds / 1e6:.1f}', *_operators_share(found)))
    section.tables.append(Table(('run', 'image', 'parameters (M)', 'multiply-adds (M)', 'parameters of operators (k)',
                                 'multiply-adds of operators (k)'), rows))
    return section


def _operators_share(found: Complexity) -> tuple[str, str]:
    inside = [cost for name, cost in found.by_operator.items() if name != 'plain']
    return (f'{sum(cost.parameters for cost in inside) / 1e3:.1f}',
            f'{sum(cost.multiply_adds for cost in inside) / 1e3:.1f}')


def input_size(run: Run, subject: Subject | None) -> tuple[int, int]:
    """Return the (H, W) that the network sees: of its first test batch, else as its test pipeline says, else 224."""
    if subject is not None:
        inputs = subject.model.data_preprocessor(next(iter(subject.batches)), False)['inputs']
        return tuple(inputs.shape[-2:])
    _, dataset = next(innermost_datasets(run.cfg.get('test_dataloader') or run.cfg.get('val_dataloader')), ('', {}))
    for transform in reversed(dataset.get('pipeline', [])):
        size = transform.get('crop_size') or transform.get('scale')
        if isinstance(size, int):
            return size, size
        if isinstance(size, (tuple, list)) and len(size) == 2:
            return size[1], size[0]  # OpenMMLab's scales are (width, height)
    return 224, 224


def curves(runs: Sequence[Run]) -> Section:
    """Training and validation over the epochs."""
    section = Section('Curves', 'Training is the mean of what was logged in each epoch.')
    found = {}
    for run in runs:
        with _or_remark(section.remarks, run.label):
            found[run.label] = read_progression(run.work_dir)
    for part, unit in product(('training', 'validation'), ('epoch', 'iteration')):
        shown = {label: progression for label, progression in found.items()
                 if getattr(progression, part) and getattr(progression, f'{part}_unit') == unit}
        if shown:
            section.pictures.append(chart(partial(draw_progression, runs=shown, part=part),
                                          f'{part}: {", ".join(shown)}', label_ends))
    return section


def metrics(runs: Sequence[Run]) -> Section:
    """What the validations measured."""
    section = Section('Metrics', 'The last validation of each run, and the best one in brackets where it is another.')
    rows: dict[str, dict[str, str]] = {}
    for run in runs:
        with _or_remark(section.remarks, run.label):
            for name, curve in read_validation(run.work_dir).items():
                if curve.values[-1] == -1 and name.startswith('coco/'):
                    continue  # how pycocotools says that there are no objects of this size
                lower = any(word in name for word in LOWER_IS_BETTER)
                last, best = curve.values[-1], (min if lower else max)(curve.values)
                words = f'{last:.4g}' if last == best else f'{last:.4g} ({best:.4g})'
                rows.setdefault(name, {})[run.label] = words
    if rows:
        section.tables.append(Table(('metric', *[run.label for run in runs]), [
            (name, *[values.get(run.label, '-') for run in runs]) for name, values in rows.items()]))
    return section


def gates(runs: Sequence[Run], subjects: dict[str, Subject], progress: Progress) -> Section:
    """Saturation over training, excitations per class, and gate maps."""
    section = Section('Gates', 'Saturation: the share of gates below 0.05 and above 0.95 over training. Excitations: '
                      'the mean gate of each class in fifty channels, as in Figure 6 of the SE paper. Maps: where '
                      'local gates open and close.')
    for run in runs:
        with _or_remark(section.remarks, run.label):
            for threshold, found in saturation_curves(read_curves(run.work_dir)).items():
                section.pictures.append(chart(partial(draw_saturation, threshold=threshold, curves=found),
                                              f'{run.label}: gates {threshold.replace("_", " ")}', label_ends))
    for run in runs:
        subject = subjects.get(run.label)
        if subject is None or context_in_words(run.cfg) == 'none':
            continue
        with _or_remark(section.remarks, run.label):
            last = last_of_each_stage(operators(subject.model))
            classes = most_shown(subject, len(COLOURS))  # more lines could not be told apart
            data = excitations(subject, classes, last, progress=progress)
            for name, found in data.operators.items():
                shown = [group for group in classes if group in found.mean]
                section.pictures.append(chart(
                    partial(draw_excitation, name=name, found=found, classes=shown),
                    f'{run.label}: {name}, {data.images[ALL]} images'))
        if local := [name for name, site in operators(subject.model).items() if gate_is_map(site)]:
            with _or_remark(section.remarks, run.label):
                section.pictures.append(_maps(run, subject, local))
    return section


def most_shown(subject: Subject, count: int | None = None) -> list[str]:
    """Return the classes of which there are images, or the ``count`` with the most, by label.

    A report looks at a part of the test set, which need not hold an image of every class.
    """
    images = subject.count_images()
    chosen = sorted((name for name in images if images[name]), key=lambda name: -images[name])[:count]
    return [name for name in images if name in chosen]


def gate_is_map(site: Site) -> bool:
    """Return whether an operator has a local extent; its gate is a map where the features are larger than that."""
    return site.per_image and getattr(site.operator, 'extent', 'global') != 'global'


def _maps(run: Run, subject: Subject, names: Sequence[str]) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        data = next(iter(gate_maps(subject, image_files(subject, 1), names)))
        data.maps = dict(list(data.maps.items())[:3])
        file = plot_gate_maps(data, Path(folder, 'maps.png'))
        return png(str(file), f'{run.label}: gate maps of {named(data.image)}', wide=True)


def class_selectivity(subjects: dict[str, Subject], progress: Progress) -> Section:
    """Histograms of class selectivity, all runs on one panel per block."""
    section = Section('Selectivity', 'How much the features at the end of each stage prefer one class: 0 is the same '
                      'response to all, 1 to one alone (Figure 3 of the GE paper).')
    found = {}
    for label, subject in subjects.items():
        with _or_remark(section.remarks, label):
            found[label] = selectivity(subject, classes=most_shown(subject), progress=progress)
    names = dict.fromkeys(name for data in found.values() for name in data.index)
    for name in names:
        section.pictures.append(chart(partial(draw_selectivity, block=name, runs=found), f'{name}'))
    return section


def predictions(runs: Sequence[Run], subjects: dict[str, Subject], device: str, count: int = 6) -> Section:
    """What the networks find in the same images, beside the truth."""
    section = Section('Predictions', 'The same test images for each run, as they are annotated and with what the run '
                      'finds; objects from a score of 0.3.')
    for run in runs:
        subject = subjects.get(run.label)
        if subject is None:
            continue
        with _or_remark(section.remarks, run.label):
            found = list(predict(run.cfg, run.checkpoint, image_files(subject, count), device))
            for prediction, index in zip(found, evenly_spaced(len(subject.batches.dataset), count), strict=True):
                sample = subject.batches.dataset[index]['data_samples']
                prediction.truth = truth_in(sample, subject.classes)
            section.pictures.append(photograph(
                sheet_of(found, columns=2), f'{run.label}: {", ".join(named(one.image) for one in found)}', wide=True))
    return section


def named(file: str) -> str:
    """Return a file's name with its folder, which is the class in a folder of images to classify."""
    return '/'.join(Path(file).parts[-2:])


def image_files(subject: Subject, count: int) -> list[str]:
    """Return the files of ``count`` test images, spaced evenly over the test set."""
    dataset = subject.batches.dataset
    return [dataset.get_data_info(index)['img_path'] for index in evenly_spaced(len(dataset), count)]

"""Export a trained model to a file, and compare both."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from se_backbones.lab.analysis.subject import Progress, Subject, silent
from se_backbones.lab.export import PARTS, SUFFIXES
from se_backbones.lab.export.any_size import fixed_size_reason, for_any_size
from se_backbones.lab.export.classifier import Classifier
from se_backbones.lab.export.deployed import Deployed, images_of
from se_backbones.lab.export.errors import ExportError
from se_backbones.lab.export.facts import image_facts, pipeline_facts
from se_backbones.lab.export.faster_rcnn import FasterRCNN
from se_backbones.lab.export.features import Features
from se_backbones.lab.export.formats import FORMATS
from se_backbones.lab.export.parity import TOLERANCE, largest_differences
from se_backbones.lab.export.quantization import INPUT, quantized
from se_backbones.lab.export.segmentor import Segmentor
from se_backbones.lab.inference.reading import channel_order, transforms_of
from se_backbones.models.fusion import fuse_for_inference
from se_backbones.utils import atomic
from se_backbones.utils.extras import need
from se_backbones.utils.validation import one_of

# A map of at least 9 x 10 at stride 32, so that no axis, gates at extent 8 among them, has length 1: an exporter takes
# such an axis for one that always has it. Height and width differ, so that none is taken for the other.
TRACED_SIZE = (288, 320)


@dataclass
class Measured:
    """One line of a report: a model or a file.

    Attributes:
        name: What it is.
        bytes: Size of the file; of PyTorch's model, its parameters and buffers.
        latency: Median time of one image, in seconds.
        differences: ``{output: largest difference}`` to the model; see :func:`largest_differences`.
        metrics: What the config's evaluator measures on the whole test set, if that was asked for.
    """

    name: str
    bytes: int
    latency: float
    differences: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def part_of(model: nn.Module, part: str = 'whole') -> nn.Module:
    """Return the module that is exported of a model: images in, tensors out.

    Args:
        model: A classifier of mmpretrain, a detector of mmdet or a segmentor of mmseg, in eval mode.
        part: ``'whole'``, or ``'features'``: backbone and neck.

    Raises:
        ExportError: There is no such part of this model.
    """
    if one_of('part', part, PARTS) == 'features':
        return Features(model).eval()
    if type(model).__name__ == 'ImageClassifier':
        return Classifier(model).eval()
    if type(model).__name__ == 'EncoderDecoder':
        return Segmentor(model).eval()
    return FasterRCNN(model).eval()


def to_bytes(model: nn.Module, image: Tensor, format: str, part: str = 'whole', fold: bool = False,
             one_size: bool = False, facts: dict | None = None) -> bytes:
    """Return the file of a model.

    Args:
        model: In eval mode.
        image: One that it takes, ``(1, C, H, W)``; the file takes this size alone if the model has to
            (:func:`fixed_size_reason`) or ``one_size`` says so.
        format: ``'onnx'``, ``'torchscript'`` or ``'torch-export'``.
        part: See :func:`part_of`.
        fold: Whether norms become part of the convolutions before them.
        one_size: Whether the file is for images of one size, which makes it simpler and quicker to write.
        facts: More plain data to put into the file.

    Raises:
        ExportError: This part of the model cannot be exported.
    """
    writer = FORMATS[one_of('format', format, tuple(FORMATS))]
    fixed = one_size or fixed_size_reason(model) is not None
    model = fuse_for_inference(model) if fold else model
    net = part_of(model if fixed else for_any_size(model), part)
    _check_operators(net)
    size = tuple(image.shape[-2:]) if fixed else TRACED_SIZE
    example = torch.rand(2 if net.takes_batches else 1, image.shape[1], *size) * 255
    free = (() if fixed else (2, 3)) if not net.takes_batches else (0,) if fixed else (0, 2, 3)
    facts = dict(facts or {}, part=part, input=INPUT, outputs=list(net.outputs), size=list(size) if fixed else 'any',
                 batch='any' if net.takes_batches else 1, folded=fold)
    facts |= image_facts(net.images, facts.get('channel_order', 'bgr'))
    try:
        return writer.to_bytes(net, example, free, facts)
    except (RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, ExportError):
            raise
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ExportError(f'{format} cannot write this network: {reason}') from error


def _check_operators(net: nn.Module) -> None:
    for name, module in net.named_modules():
        if type(module).__module__.startswith('mmcv.ops') and 'roi_layers' not in name:
            raise ExportError(f'{name} is a {type(module).__name__} of mmcv, a C++ operator that no exporter knows.')


def export(subject: Subject, file: str | Path, format: str, part: str = 'whole', fold: bool = False,
           one_size: bool = False, calibration: Subject | None = None, evaluation: Subject | None = None,
           progress: Progress = silent) -> list[Measured]:
    """Write a file, after it has been compared with the model on the subject's images; return what was measured.

    Args:
        subject: The model, and images one by one (batches of one) to compare with and to measure time with.
        file: A new one; its suffix is the format's.
        format, part, fold, one_size: See :func:`to_bytes`.
        calibration: Training images for an int8 file beside it, ``<name>.int8.onnx``; for classifiers in ONNX.
        evaluation: The whole test set, to evaluate model and files on.
        progress: Called as ``rich.progress.track`` is.

    Returns:
        A row for the model, one for the file, and one for the int8 file.

    Raises:
        ExportError: It cannot be exported, or the file would say something else than the model.
        FileExistsError: A file exists.
    """
    one_of('format', format, tuple(FORMATS))
    if format == 'onnx':
        need('ONNX files', 'export', 'onnx', 'onnxscript', 'onnxruntime', error=ExportError)
    if Path(file).suffix != SUFFIXES[format]:
        raise ExportError(f'{file} must end in {SUFFIXES[format]}.')
    files = [atomic.check_new(file)]
    reference = part_of(subject.model, part)
    if calibration is not None:
        if format != 'onnx' or not isinstance(reference, Classifier):
            raise ExportError('Only whole classifiers in ONNX can be written as an int8 file.')
        files.append(atomic.check_new(files[0].with_suffix('.int8.onnx')))
    images = [images_of(batch)[0] for batch in subject.batches]
    facts = dict(classes=list(subject.classes), pipeline=pipeline_facts(subject.batches),
                 channel_order=channel_order(transforms_of(subject.batches), images[0].shape[1]))
    data = [to_bytes(subject.model, images[0], format, part, fold, one_size, facts)]
    if calibration is not None:
        folded = data[0] if fold else to_bytes(subject.model, images[0], format, part, True, one_size, facts)
        data.append(quantized(folded, (images_of(batch)[0] for batch in progress(calibration.batches, 'calibrating'))))
    rows = _measured(subject, reference, [path.name for path in files], data, format, images, progress)
    worst = max(rows[1].differences, key=rows[1].differences.get)
    if not rows[1].differences[worst] <= TOLERANCE:
        how = f' by up to {rows[1].differences[worst]:.2g}, and {TOLERANCE} is allowed' \
            if math.isfinite(rows[1].differences[worst]) else ', or their number does, or one is NaN'
        raise ExportError(f'{files[0]} is not written: its {worst} differ from those of the model{how}.')
    if evaluation is not None and part == 'whole':
        models = [subject.model, *(Deployed(FORMATS[format].from_bytes(content), reference) for content in data)]
        for row, model in zip(rows, models, strict=True):
            row.metrics = replace(evaluation, model=model).evaluate(progress, f'evaluating {row.name}')
    for path, content in zip(files, data, strict=True):
        with atomic.writing(path, new=True) as part:
            part.write_bytes(content)
    return rows


def _measured(subject: Subject, reference: nn.Module, names: list[str], data: list[bytes], format: str,
              images: list[Tensor], progress: Progress) -> list[Measured]:
    """Return the rows of the model and of the files, without metrics."""
    @torch.no_grad()
    def forward(images: Tensor) -> Tensor:
        return reference(images)
    runs = [FORMATS[format].from_bytes(content) for content in data]
    times = latencies([forward, *runs], images)
    rows = [Measured('PyTorch', sum(tensor.nbytes for tensor in subject.model.state_dict().values()), times[0])]
    for name, content, run, seconds in zip(names, data, runs, times[1:], strict=True):
        rows.append(Measured(name, len(content), seconds,
                             largest_differences(reference, run, progress(subject.batches, f'comparing {name}'))))
    return rows


def latencies(runs: list[Callable[[Tensor], object]], images: list[Tensor]) -> list[float]:
    """Return for each function the median time of one image in seconds, after one that is not counted.

    They take turns, so that what else the machine does meets all of them.
    """
    times = [[] for _ in runs]
    for number, image in enumerate([images[0], *images]):
        for run, own in zip(runs, times, strict=True):
            start = time.perf_counter()
            run(image)
            if number:
                own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in times]

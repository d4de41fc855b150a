"""Class selectivity of features (GE paper, section 4.1, Figure 3; index of Morcos et al., arXiv 1803.06959)."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from se_backbones.engine.sites import blocks, choose
from se_backbones.lab.analysis.excitations import check_every_class_has_images
from se_backbones.lab.analysis.subject import Progress, Subject, labels, silent
from se_backbones.lab.pictures.colours import colour
from se_backbones.lab.pictures.figures import legend_below, panels, save, tidy


@dataclass
class Selectivity:
    """How much each feature map prefers one class.

    Attributes:
        images: ``{class: number of images}``; a detector's image counts for each class in it.
        index: ``{block: index of each channel}``, from 0 (the same for all classes) to 1 (one class alone).
        dead: ``{block: channels that never fire}``; their index is 0.
    """

    images: dict[str, int]
    index: dict[str, list[float]]
    dead: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return vars(self)


def selectivity_index(means: np.ndarray) -> np.ndarray:
    """Return ``(mu_max - mu_rest) / (mu_max + mu_rest)`` per feature; 0 where both are 0.

    Args:
        means: Mean response to each class, ``(classes, C)``, not negative. ``mu_rest`` is the mean over the other
            classes' means, so that a class with many images weighs as one with few.

    Raises:
        ValueError: There are fewer than two classes.
    """
    if len(means) < 2:
        raise ValueError(f'Selectivity compares classes and needs at least two, got {len(means)}.')
    largest = means.max(0)
    rest = (means.sum(0) - largest) / (len(means) - 1)
    total = largest + rest
    return np.divide(largest - rest, total, out=np.zeros_like(total), where=total > 0)


def selectivity(subject: Subject, names: Iterable[str] | None = None, classes: Iterable[str | int] | None = None,
                progress: Progress = silent) -> Selectivity:
    """Return the class selectivity of every feature map of chosen blocks, from one pass over the images.

    The response of a feature to an image is the mean of its map after a ReLU; a block's output has passed one in most
    networks, and where it has not (pre-activation networks) the negative part is cut off here.

    Args:
        subject: The network and the images.
        names: Blocks (``conv4_6``) or stages (``conv4``); None: the last block of each stage.
        classes: Names or labels of the classes to compare; None: all.
        progress: Shows the progress, as ``rich.progress.track`` does.

    Raises:
        ValueError: A block or class does not exist, a block sees regions, there are no images or none of a class, or a
            feature is NaN.
    """
    known = {name: block for name, block in blocks(subject.model).items() if block.per_image}
    if not known:
        raise ValueError(f'{type(subject.model).__name__} has no stages whose blocks could be '
                         'named; backbones of se_backbones and ResNets of the OpenMMLab libraries have them.')
    if names is None:
        names = {block.stage: name for name, block in known.items()}.values()
    chosen_blocks = choose(known, names, 'block')
    chosen = subject.labels_of(subject.classes if classes is None else classes)
    sums: dict[str, np.ndarray] = {}
    images = dict.fromkeys(chosen, 0)
    shown: list[list[int]] = []

    def see(name: str, output: Tensor) -> None:
        response = output.detach().relu().mean((2, 3), dtype=torch.float64).cpu().numpy()
        if not np.isfinite(response).all():
            raise ValueError(f'The features of {name} hold NaN or infinite values.')
        member = np.array([[label in classes_of for classes_of in shown] for label in chosen.values()], float)
        sums[name] = sums.get(name, 0) + member @ response

    with ExitStack() as stack:
        for name, block in chosen_blocks.items():
            stack.enter_context(block.module.register_forward_hook(
                lambda module, args, output, name=name: see(name, output)))
        for batch, run in subject.passes(progress, 'reading features'):
            shown[:] = [labels(sample) for sample in batch['data_samples']]
            run()
            for name, label in chosen.items():
                images[name] += sum(label in classes_of for classes_of in shown)
    check_every_class_has_images(images)
    counts = np.array(list(images.values()), float)[:, None]
    means = {name: sums[name] / counts for name in chosen_blocks}
    return Selectivity(images, {name: selectivity_index(values).tolist() for name, values in means.items()},
                       {name: int((values.max(0) == 0).sum()) for name, values in means.items()})


def draw_selectivity(axis, block: str, runs: Mapping[str, Selectivity]) -> None:
    """Draw the histograms of one block of several networks on one panel, with their means in its title."""
    from matplotlib.colors import to_rgba
    edges = np.linspace(0, 1, 26)
    means = []
    for number, (label, data) in enumerate(runs.items()):
        if block in data.index:
            values = data.index[block]
            axis.hist(values, edges, weights=np.full(len(values), 1 / len(values)), histtype='stepfilled', lw=1.2,
                      facecolor=to_rgba(colour(number), 0.3), edgecolor=colour(number), label=label)
            means.append(f'{label} {np.mean(values):.2f}')
    tidy(axis, f'{block}\nmean: {", ".join(means)}', 'class selectivity index', 'share of features')
    axis.set_xlim(0, 1)


def plot_selectivity(runs: Mapping[str, Selectivity], file: str | Path) -> Path:
    """Draw a panel for each block with the histogram of each network, as in the GE paper's Figure 3; return the file.

    Args:
        runs: ``{label: data}`` from :func:`selectivity`; the blocks of the first are drawn.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.
    """
    names = list(next(iter(runs.values())).index)
    figure, axes = panels(len(names), columns=2, size=(4, 2.9))
    for axis, name in zip(axes, names, strict=True):
        draw_selectivity(axis, name, runs)
    legend_below(figure)
    return save(figure, file)

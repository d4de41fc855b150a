"""Excitations: the mean gates of each class (SE paper, section 7.2, Figures 6 and 7)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from se_backbones.engine.gates import check_finite, observe_gates
from se_backbones.engine.sites import choose, operators
from se_backbones.lab.analysis.moments import Moments
from se_backbones.lab.analysis.subject import Progress, Subject, evenly_spaced, labels, silent
from se_backbones.lab.pictures.colours import COLOURS, colour
from se_backbones.lab.pictures.figures import legend_below, panels, save, tidy
from se_backbones.utils.validation import first_few

ALL = 'all'


@dataclass
class Excitation:
    """The gates of one operator.

    Attributes:
        num_channels: C, of which ``channels`` are looked at.
        channels: Indices of channels.
        mean, std: ``{class: value per channel}`` over the images of the class; ``'all'``: over all images.
    """

    num_channels: int
    channels: list[int]
    mean: dict[str, list[float]]
    std: dict[str, list[float]]


@dataclass
class Excitations:
    """The gates of a network.

    Attributes:
        images: ``{class: number of images}``, ``'all'`` among them; a detector's image counts for each class in it.
        operators: ``{name: excitation}`` in the network's order. Those that see regions have ``'all'`` alone, which is
            over all regions: no region belongs to an image's label.
    """

    images: dict[str, int]
    operators: dict[str, Excitation]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return dict(images=self.images, operators={name: vars(found) for name, found in self.operators.items()})


def excitations(subject: Subject, classes: Iterable[str | int] | None = None, names: Iterable[str] | None = None,
                num_channels: int | None = 50, progress: Progress = silent) -> Excitations:
    """Return mean and standard deviation of the gates per class, from one pass over the images.

    A gate that is a map (a local extent) counts by its mean over the map. Memory grows with classes and channels, not
    with images.

    Args:
        subject: The network and the images.
        classes: Names or labels of the classes to tell apart; None: all.
        names: Operators (``SE_4_6``) or stages (``SE_4``); None: all.
        num_channels: How many uniformly spaced channels of each operator; None: all.
        progress: Shows the progress, as ``rich.progress.track`` does.

    Raises:
        ValueError: The network has no operators, a name or class does not exist, there are no images or none of a
            class, or a gate is NaN.
    """
    sites = choose(operators(subject.model), names, 'operator')
    chosen = subject.labels_of(subject.classes if classes is None else classes)
    channels = {name: evenly_spaced(site.operator.in_channels, num_channels) for name, site in sites.items()}
    moments = {name: {group: Moments(len(channels[name])) for group in (ALL, *(chosen if site.per_image else ()))}
               for name, site in sites.items()}
    images = dict.fromkeys((ALL, *chosen), 0)
    shown: list[list[int]] = []

    def see(site, gate):
        check_finite(site, gate)
        rows = gate.detach()[:, channels[site.name]].mean((2, 3), dtype=torch.float64).cpu().numpy()
        for group, found in moments[site.name].items():
            found.add(rows if group == ALL else rows[[chosen[group] in classes_of for classes_of in shown]])

    whole = not all(site.per_image for site in sites.values())
    with observe_gates(subject.model, sites.values(), see):
        for batch, run in subject.passes(progress, 'reading gates', whole):
            shown[:] = [labels(sample) for sample in batch['data_samples']]
            run()
            images[ALL] += len(shown)
            for name, label in chosen.items():
                images[name] += sum(label in classes_of for classes_of in shown)
    check_every_class_has_images(images)
    return Excitations(images, {
        name: Excitation(sites[name].operator.in_channels, channels[name],
                         {group: found.mean.tolist() for group, found in groups.items()},
                         {group: found.std.tolist() for group, found in groups.items()})
        for name, groups in moments.items() if groups[ALL].count})


def check_every_class_has_images(images: dict[str, int]) -> None:
    """Raise ValueError for classes of which there are no images."""
    absent = [name for name, count in images.items() if count == 0]
    if absent:
        raise ValueError(f'There are no images of {len(absent)} of the {len(images) - (ALL in images)} chosen classes '
                         f'({first_few(absent)}); choose others, or analyse more images.')


def draw_excitation(axis, name: str, found: Excitation, classes: Sequence[str], spread: bool = False) -> None:
    """Draw one operator's panel: a line per class, black for all images; with ``spread`` a band of one deviation."""
    for index, group in enumerate([*classes, ALL]):
        if group not in found.mean:
            continue
        look = dict(color='black', lw=1.4) if group == ALL else dict(color=colour(index), lw=1.2)
        axis.plot(found.channels, found.mean[group], label=group, **look)
        if spread and group != ALL:
            mean, std = np.array(found.mean[group]), np.array(found.std[group])
            axis.fill_between(found.channels, mean - std, mean + std, color=look['color'], alpha=0.2, lw=0)
    tidy(axis, name, 'channel index', 'mean gate')
    axis.set_xlim(0, found.num_channels - 1)
    axis.xaxis.get_major_locator().set_params(integer=True)
    low = min(0, *(min(values) for values in found.mean.values()))  # tanh gates go below zero
    axis.set_ylim(low, max(1, *(max(values) for values in found.mean.values())) + 0.02)


def drawn_classes(data: Excitations) -> list[str]:
    """Return the first classes, as many as there are colours to tell their lines apart."""
    return [name for name in data.images if name != ALL][:len(COLOURS)]


def plot_excitations(data: Excitations, file: str | Path, spread: bool = False) -> Path:
    """Draw a panel for each operator, as in the SE paper's Figure 6 (with ``spread``: Figure 7), and return the file.

    Args:
        data: From :func:`excitations`.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.
        spread: Also a band of one standard deviation around each class.
    """
    figure, axes = panels(len(data.operators), columns=2 if len(data.operators) < 5 else 3, size=(4.2, 2.8))
    for axis, (name, found) in zip(axes, data.operators.items(), strict=True):
        draw_excitation(axis, name, found, drawn_classes(data), spread)
    legend_below(figure)
    return save(figure, file)

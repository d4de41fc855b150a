"""Feature importance: what a network loses as a block's gated features are taken away (GE paper, Figure 5)."""

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from se_backbones.engine.gates import Replacement, check_finite, observe_gates
from se_backbones.engine.sites import Block, Site, blocks, choose, last_of_each_stage, operators
from se_backbones.lab.analysis.subject import Progress, Subject, choose_metric, silent
from se_backbones.lab.pictures.colours import colour
from se_backbones.lab.pictures.figures import in_words, legend_below, panels, save, tidy
from se_backbones.models.units import ResidualUnit

RATIOS = tuple(step / 10 for step in range(11))
ORDERS = ('ascending', 'descending')


@dataclass
class Importance:
    """Quality against the share of pruned channels.

    Attributes:
        metric: What is measured.
        ratios: Shares of channels, from 0 to 1.
        operators: ``{name: {'ascending': values, 'descending': values}}``: lowest gates first, highest first.
        plain: ``{name: (with the branch, without it)}`` of the plain network in that block.
    """

    metric: str
    ratios: list[float]
    operators: dict[str, dict[str, list[float]]]
    plain: dict[str, tuple[float, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return vars(self)


def pruned(gate: Tensor, ratio: float, order: str) -> Tensor:
    """Return ``gate`` with a share of its channels at zero, those with the lowest or the highest mean of each map.

    Args:
        gate: ``(N, C, H', W')``.
        ratio: Of the C channels, rounded to whole ones.
        order: ``'ascending'``: the lowest first; ``'descending'``: the highest first.
    """
    strength = gate.mean((2, 3))
    ranks = strength.argsort(dim=1, descending=order == 'descending', stable=True).argsort(1)
    keep = ranks >= round(ratio * gate.shape[1])
    return torch.where(keep[:, :, None, None], gate, torch.zeros_like(gate))


def importance(subject: Subject, names: Iterable[str] | None = None, ratios: Sequence[float] = RATIOS,
               metric: str | None = None, plain: Subject | None = None, progress: Progress = silent) -> Importance:
    """Evaluate the network with more and more of an operator's channels pruned, one operator at a time.

    For each image (each region in a shared head) the channels are ordered by their gates, and the first of them are set
    to zero where the operator applies its gate; at ratio 1 nothing of the branch is left. Each point is an evaluation
    on all images: one for the whole network, one for each operator at ratio 1, two for each ratio between.

    Args:
        subject: The network, its images and its config.
        names: Operators (``GE_4_6``) or stages; None: the last operator of each stage.
        ratios: Shares of channels; 0 and 1 are added.
        metric: Name of a metric that the config measures; None: top-1 accuracy, box mAP or what else there is.
        plain: The network without operators: evaluated as it is, and without the branch of each block.
        progress: Shows the progress, as ``rich.progress.track`` does.

    Raises:
        ValueError: The network has no operators, a name or metric does not exist, a ratio is not from 0 to 1, a gate is
            NaN, or ``plain`` lacks one of the blocks.
    """
    sites = operators(subject.model)
    chosen = choose(sites, last_of_each_stage(sites) if names is None else names, 'operator')
    wrong = [ratio for ratio in ratios if not 0 <= ratio <= 1]
    if wrong:
        raise ValueError(f'ratios must be from 0 to 1, got {wrong[0]!r}.')
    ratios = sorted({0.0, 1.0, *map(float, ratios)})
    plain_blocks = {name: _plain_block(plain, site) for name, site in chosen.items()} if plain else {}

    measured = subject.evaluate()
    metric = choose_metric(measured, metric)
    result = Importance(metric, ratios, {name: {order: [measured[metric]] for order in ORDERS} for name in chosen})
    # Ratio 1 prunes the same channels in either order.
    steps = [(site, order, ratio) for site in chosen.values() for order in ORDERS for ratio in ratios[1:]
             if (order, ratio) != ('descending', 1.0)]
    for site, order, ratio in progress(steps, 'pruning'):
        with observe_gates(subject.model, [site], partial(_prune, ratio, order)):
            result.operators[site.name][order].append(subject.evaluate()[metric])
    for curves in result.operators.values():
        curves['descending'].append(curves['ascending'][-1])
    if plain:
        whole = plain.evaluate()[metric]
        for name, block in progress(list(plain_blocks.items()), 'the plain network'):
            with without_branch(block):
                result.plain[name] = (whole, plain.evaluate()[metric])
    return result


def _prune(ratio: float, order: str, site: Site, gate: Tensor) -> Tensor:
    check_finite(site, gate)
    return pruned(gate, ratio, order)


def _plain_block(plain: Subject, site: Site) -> Block:
    known = blocks(plain.model)
    name = site.block.name if site.block else site.name
    if name not in known or not isinstance(known[name].module, ResidualUnit):
        raise ValueError(f'The plain network has no residual unit {name} to compare {site.name} with; it has '
                         f'{", ".join(known) or "no blocks"}.')
    return known[name]


class _Nothing(Replacement):
    """Stands in a slot and leaves nothing of what passes through it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


@contextmanager
def without_branch(block: Block):
    """Take away the residual branch of a block, within the context: what is left is its shortcut."""
    slots = block.module.context
    before = slots['standard'] if 'standard' in slots else None
    try:
        slots['standard'] = _Nothing()
        yield
    finally:
        del slots['standard']
        if before is not None:
            slots['standard'] = before


def draw_importance(axis, name: str, data: Importance) -> None:
    """Draw one operator's panel: lowest gates first dashed, highest first solid, stars for the plain network."""
    for order, line, shade in (('ascending', '--', 0), ('descending', '-', 1)):
        first = 'lowest' if order == 'ascending' else 'highest'
        axis.plot(data.ratios, data.operators[name][order], line, color=colour(shade), marker='.', ms=5,
                  label=f'channels with the {first} gates first')
    if name in data.plain:
        axis.plot((0, 1), data.plain[name], '*', color='black', ms=9, clip_on=False,
                  label='plain network: with its branch (0) and without (1)')
    tidy(axis, name, 'share of channels set to zero', in_words(data.metric))
    axis.set_xlim(-0.02, 1.02)


def plot_importance(data: Importance, file: str | Path) -> Path:
    """Draw a panel for each operator, as in the GE paper's Figure 5, and return the file."""
    figure, axes = panels(len(data.operators), columns=2, size=(4, 2.9))
    values = [value for curves in data.operators.values() for curve in curves.values() for value in curve]
    values += [value for pair in data.plain.values() for value in pair]
    margin = 0.05 * (max(values) - min(values) or 1)
    for axis, name in zip(axes, data.operators, strict=True):
        draw_importance(axis, name, data)
        axis.set_ylim(min(values) - margin, max(values) + margin)
    legend_below(figure)
    return save(figure, file)

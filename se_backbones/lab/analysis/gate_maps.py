"""Gate maps: where in an image a local gate opens and closes (GE paper, section 3: the extent makes it a map)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mmcv
import numpy as np
import torch

from se_backbones.engine.sites import choose, last_of_each_stage, operators
from se_backbones.engine.watching import check_finite, watched
from se_backbones.lab.analysis.pictures import panels, save
from se_backbones.lab.analysis.subject import Progress, Subject, silent
from se_backbones.utils.validation import positive_int


@dataclass
class GateMap:
    """The gate of one operator in one image.

    Attributes:
        mean: Over all channels, ``(H', W')``.
        channels: ``{channel: its map (H', W')}``, the strongest by their mean first, then the weakest, which end with
            the weakest of all.
        shown: The part of the map that lies on the image, as a share of its height and width: images are padded.
    """

    mean: np.ndarray
    channels: dict[int, np.ndarray]
    shown: tuple[float, float]

    def over(self, gate: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return a map ``(H', W')`` at the image's size by nearest neighbour, without the padding."""
        rows = (np.arange(height) * self.shown[0] * gate.shape[0] / height).astype(int)
        columns = (np.arange(width) * self.shown[1] * gate.shape[1] / width).astype(int)
        return gate[rows[:, None], columns[None]]


@dataclass
class ImageGates:
    """One image, what the network finds in it, and its gates.

    Attributes:
        image: The file.
        picture: ``(H, W, 3)`` uint8, RGB.
        objects: ``dict(label=..., score=..., [box=[x1, y1, x2, y2] in pixels])``, best first.
        maps: ``{operator: map}``.
        without_map: Operators whose gate is one value per channel in this image.
    """

    image: str
    picture: np.ndarray
    objects: list[dict]
    maps: dict[str, GateMap]
    without_map: list[str]

    def as_dict(self) -> dict:
        """Return plain data, for JSON."""
        return dict(image=self.image, objects=self.objects, without_map=self.without_map, maps={
            name: dict(mean=found.mean.tolist(), shown=list(found.shown),
                       channels={channel: gate.tolist() for channel, gate in found.channels.items()})
            for name, found in self.maps.items()})


def gate_maps(subject: Subject, images: Iterable[str], names: Iterable[str] | None = None, extremes: int = 2,
              score_threshold: float = 0.3, progress: Progress = silent) -> Iterator[ImageGates]:
    """Yield the gate maps of one image file after the other.

    Args:
        subject: The network and its config.
        images: Image files.
        names: Operators or stages; None: the last operator of each stage.
        extremes: How many of the strongest and of the weakest channels, by the mean of their map in this image.
        score_threshold: Objects below it are left out (detectors).
        progress: Shows the progress, as ``rich.progress.track`` does.

    Raises:
        ValueError: The network has no operators, a name does not exist, a gate is NaN, there is no image, or no gate is
            a map.
    """
    positive_int('extremes', extremes)
    sites = {name: site for name, site in operators(subject.model).items() if site.per_image}
    sites = choose(sites, last_of_each_stage(sites) if names is None else names, 'operator')
    images = list(images)
    if not images:
        raise ValueError('There are no images to look at.')
    for image in progress(images, 'reading gates'):
        yield _one_image(subject, str(image), sites, extremes, score_threshold)


def _one_image(subject, image, sites, extremes, score_threshold) -> ImageGates:
    gates = {}

    def see(site, gate):
        check_finite(site, gate)
        gates[site.name] = gate[0].detach().float().cpu()

    subject.model.eval()
    with watched(subject.model, sites.values(), see):
        sample = subject.run(subject.read(image), whole=True)[0]
    flat = [name for name, gate in gates.items() if gate.shape[1:] == (1, 1)]
    if len(flat) == len(gates):
        raise ValueError(f'No gate is a map in {image}: each is one value per channel, as of global operators or a '
                         'local extent that covers the whole map. Choose other operators, a larger image, or look at '
                         'excitations instead.')
    shown = _shown(sample)
    return ImageGates(image, mmcv.imread(image, channel_order='rgb'), _objects(subject, sample, score_threshold),
                      {name: _gate_map(gate, extremes, shown) for name, gate in gates.items() if name not in flat},
                      flat)


def _shown(sample) -> tuple[float, float]:
    """Return the share of the network's input, in height and width, that is image and not padding."""
    height, width = sample.metainfo.get('img_shape', (1, 1))[:2]
    padded = sample.metainfo.get('batch_input_shape') or sample.metainfo.get('pad_shape') or (height, width)
    return height / padded[0], width / padded[1]


def _gate_map(gate: torch.Tensor, extremes: int, shown: tuple[float, float]) -> GateMap:
    order = gate.mean((1, 2)).argsort(descending=True, stable=True).tolist()
    strongest = order[:extremes]
    chosen = [*strongest, *[channel for channel in order[-extremes:] if channel not in strongest]]
    return GateMap(gate.mean(0).numpy(), {channel: gate[channel].numpy() for channel in chosen}, shown)


def _objects(subject: Subject, sample, score_threshold: float) -> list[dict]:
    if 'pred_instances' in sample:
        found = sample.pred_instances[sample.pred_instances.scores >= score_threshold].cpu().numpy()
        order = np.argsort(-found.scores)
        return [dict(label=_name(subject, int(found.labels[k])), score=float(found.scores[k]),
                     box=[float(edge) for edge in found.bboxes[k]]) for k in order]
    if 'pred_score' in sample:
        best = sample.pred_score.argsort(descending=True)[:1].tolist()
        return [dict(label=_name(subject, k), score=float(sample.pred_score[k])) for k in best]
    return []


def _name(subject: Subject, label: int) -> str:
    return subject.classes[label] if subject.classes else str(label)


def plot_gate_maps(data: ImageGates, file: str | Path) -> Path:
    """Draw one image: a row for each operator, with the mean gate and the strongest and weakest channels over it.

    The colours of a row span the values in it; its bar says which. Return the file.
    """
    columns = 1 + max(len(found.channels) for found in data.maps.values())
    height, width = data.picture.shape[:2]
    figure, axes = panels((1 + columns) * len(data.maps), 1 + columns, (2.2 * max(width / height, 0.6), 2.4))
    for row, (name, found) in enumerate(data.maps.items()):
        cells = axes[row * (1 + columns):(row + 1) * (1 + columns)]
        cells[0].imshow(data.picture)
        cells[0].set_title('what is found' if row == 0 else '', fontsize=9)
        cells[0].set_ylabel(f'{name}\n{found.mean.shape[0]} x {found.mean.shape[1]} cells', fontsize=9)
        _boxes(cells[0], data.objects, words=True)
        values = np.concatenate([found.mean.ravel(), *[gate.ravel() for gate in found.channels.values()]])
        titled = [('mean of all channels', found.mean), *[
            (f'channel {channel}, {"strong" if k < (len(found.channels) + 1) // 2 else "weak"}', gate)
            for k, (channel, gate) in enumerate(found.channels.items())]]
        for cell, (title, gate) in zip(cells[1:], titled, strict=False):
            cell.imshow(data.picture.mean(2), cmap='gray', vmin=0, vmax=255)
            shades = cell.imshow(found.over(gate, height, width), cmap='viridis', alpha=0.55, vmin=values.min(),
                                 vmax=values.max())
            cell.set_title(f'{title}\n{gate.min():.2f} to {gate.max():.2f}', fontsize=8)
            _boxes(cell, data.objects, words=False)
        for cell in cells[1 + len(titled):]:
            cell.remove()
        figure.colorbar(shades, ax=cells[:1 + len(titled)], shrink=0.8, pad=0.01).ax.tick_params(labelsize=7)
    for cell in axes:
        cell.set_xticks([])
        cell.set_yticks([])
    return save(figure, file)


def _boxes(axis, objects: Sequence[dict], words: bool) -> None:
    from matplotlib.patches import Rectangle
    for found in reversed(objects):  # the best on top
        if 'box' not in found:
            if words:
                axis.set_xlabel(f'{found["label"]} {found["score"]:.2f}', fontsize=8)
            continue
        left, top, right, bottom = found['box']
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec='#FF9500', lw=1.1))
        if words:
            axis.text(left, max(top, 0), f'{found["label"]} {found["score"]:.2f}', fontsize=6, va='bottom',
                      color='black', bbox=dict(fc='#FF9500', ec='none', pad=0.6, alpha=0.9))

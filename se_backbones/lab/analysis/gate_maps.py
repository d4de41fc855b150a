"""Gate maps: where in an image a local gate opens and closes (GE paper, section 3: the extent makes it a map)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mmcv
import numpy as np
import torch

from se_backbones.engine.gates import check_finite, observe_gates
from se_backbones.engine.sites import choose, last_of_each_stage, operators
from se_backbones.lab.analysis.subject import Progress, Subject, silent
from se_backbones.lab.inference.objects import found_in
from se_backbones.lab.inference.reading import rgb, transforms_of
from se_backbones.lab.pictures.colours import ink, palette
from se_backbones.lab.pictures.figures import panels, save
from se_backbones.lab.pictures.scenes import draw, enlarged, words_of
from se_backbones.utils.dataset_configs import tested_dataset
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
        objects: ``dict(label=..., number=..., score=..., [box=[x1, y1, x2, y2] in pixels])``, best first.
        maps: ``{operator: map}``.
        without_map: Operators whose gate is one value per channel in this image.
        colours: RGB of each class; None: chosen for the classes that are found.
    """

    image: str
    picture: np.ndarray
    objects: list[dict]
    maps: dict[str, GateMap]
    without_map: list[str]
    colours: list | None = None

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
        raise ValueError('There are no images to analyse.')
    for image in progress(images, 'reading gates'):
        yield _one_image(subject, str(image), sites, extremes, score_threshold)


def _one_image(subject, image, sites, extremes, score_threshold) -> ImageGates:
    gates = {}

    def see(site, gate):
        check_finite(site, gate)
        if site.name in gates:
            raise ValueError(f'{site.name} runs several times for one image, each time on a part of it (a segmentor '
                             "with test_cfg.mode='slide'?). Maps are of whole images: use a config with "
                             "model=dict(test_cfg=dict(mode='whole')).")
        gates[site.name] = gate[0].detach().float().cpu()

    subject.model.eval()
    with observe_gates(subject.model, sites.values(), see):
        batch = subject.read(image)
        sample = subject.run(batch, whole=True)[0]
    flat = [name for name, gate in gates.items() if gate.shape[1:] == (1, 1)]
    if len(flat) == len(gates):
        raise ValueError(f'No gate is a map in {image}: each is one value per channel, as of global operators or a '
                         'local extent that covers the whole map. Choose other operators, a larger image, or look at '
                         'excitations instead.')
    cropped = subject.cfg is not None and any('Crop' in str(step['type'])
                                              for step in tested_dataset(subject.cfg).pipeline)
    objects = _objects(subject, sample, score_threshold)
    if cropped and any('box' in one for one in objects):
        raise ValueError('The test pipeline crops the images, so that boxes cannot be drawn beside the gates.')
    # Of an image that is cropped, what the network sees of it.
    picture = rgb(batch['inputs'][0], transforms_of(subject.batches)) if cropped else \
        mmcv.imread(image, channel_order='rgb')
    shown = _shown(sample, cropped)
    return ImageGates(image, picture, objects,
                      {name: _gate_map(gate, extremes, shown) for name, gate in gates.items() if name not in flat},
                      flat, palette(len(subject.classes)) or None)


def _shown(sample, cropped: bool) -> tuple[float, float]:
    """Return the share of the network's input, in height and width, that is image and not padding."""
    height, width = sample.metainfo.get('img_shape', (1, 1))[:2]
    padded = sample.metainfo.get('batch_input_shape') or sample.metainfo.get('pad_shape') or (height, width)
    if not cropped and (factors := sample.metainfo.get('scale_factor')) is not None:
        # img_shape has what the pipeline has padded.
        rows, columns = sample.metainfo['ori_shape'][:2]
        height, width = min(height, round(rows * factors[1])), min(width, round(columns * factors[0]))
    return height / padded[0], width / padded[1]


def _gate_map(gate: torch.Tensor, extremes: int, shown: tuple[float, float]) -> GateMap:
    order = gate.mean((1, 2)).argsort(descending=True, stable=True).tolist()
    strongest = order[:extremes]
    chosen = [*strongest, *[channel for channel in order[-extremes:] if channel not in strongest]]
    return GateMap(gate.mean(0).numpy(), {channel: gate[channel].numpy() for channel in chosen}, shown)


def _objects(subject: Subject, sample, score_threshold: float) -> list[dict]:
    """Return the boxes of a detector, or the best class of a classifier."""
    if 'pred_instances' in sample:
        return [{key: value for key, value in found.items() if key != 'mask'}
                for found in found_in(sample, subject.classes, score_threshold)]
    return found_in(sample, subject.classes)[:1] if 'pred_score' in sample else []


def plot_gate_maps(data: ImageGates, file: str | Path) -> Path:
    """Draw one image, a row for each operator: its cells on the image, beside it its mean gate and single channels.

    All maps have one scale, from 0 to 1 for gates that stay in it, and the bar has its colours. A map of few cells has
    its values written in them. Return the new file.

    Args:
        data: From :func:`gate_maps`.
        file: The new file: ``.png``, ``.pdf`` or ``.svg``.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    columns = 2 + max(len(found.channels) for found in data.maps.values())
    height, width = data.picture.shape[:2]
    values = [gate for found in data.maps.values() for gate in (found.mean, *found.channels.values())]
    scale = Normalize(min(0, *(gate.min() for gate in values)), max(1, *(gate.max() for gate in values)))
    figure, axes = panels(columns * len(data.maps), columns, (2.8 * max(width / height, 0.6), 3.1))
    for row, (name, found) in enumerate(data.maps.items()):
        picture, *cells = axes[row * columns:(row + 1) * columns]
        picture.imshow(_with_cells(data, found))
        picture.set_xlabel(', '.join(words_of(one) for one in data.objects if 'box' not in one), fontsize=11)
        picture.set_title(f'{name}\n{found.mean.shape[0]} x {found.mean.shape[1]} cells', fontsize=11)
        titled = [('mean of all channels', found.mean), *[
            (f'channel {channel}, {"strong" if k < (len(found.channels) + 1) // 2 else "weak"}', gate)
            for k, (channel, gate) in enumerate(found.channels.items())]]
        for cell, (title, gate) in zip(cells, titled, strict=False):
            _draw_map(cell, found, gate, (height, width), scale)
            cell.set_title(f'{title}\n{gate.min():.2f} to {gate.max():.2f}', fontsize=11)
        for cell in cells[len(titled):]:
            cell.remove()
    for cell in figure.axes:
        cell.set_xticks([])
        cell.set_yticks([])
    bar = figure.colorbar(ScalarMappable(scale, 'viridis'), ax=figure.axes, shrink=0.7, pad=0.01)
    bar.set_label('gate', fontsize=11)
    return save(figure, file)


def _with_cells(data: ImageGates, found: GateMap) -> np.ndarray:
    """Return the picture with what is found in it over the borders of a map's cells."""
    picture = enlarged(data.picture)
    scale = picture.shape[0] / data.picture.shape[0]
    rows, columns = found.mean.shape
    for count, shown, axis in ((rows, found.shown[0], 0), (columns, found.shown[1], 1)):
        for k in range(1, count if max(rows, columns) <= 16 else 0):
            at = round(picture.shape[axis] * k / count / shown)
            for grey, half in ((0, 2), (255, 1)):  # seen on any ground
                np.moveaxis(picture, axis, 0)[at - half:at + half] = grey
    boxed = [{**one, 'box': [scale * edge for edge in one['box']]} for one in data.objects if 'box' in one]
    return draw(picture, boxed, data.colours)


def _draw_map(axis, found: GateMap, gate: np.ndarray, size: tuple[int, int], scale) -> None:
    """Draw a map over the extent of the image, with its values if the cells are large enough to hold them."""
    from matplotlib import colormaps
    height, width = size
    axis.imshow(found.over(gate, height, width), cmap='viridis', norm=scale, interpolation='nearest')
    rows, columns = gate.shape
    if max(rows, columns) > 4:
        return
    for y, x in np.ndindex(rows, columns):
        across, down = (x + 0.5) / columns / found.shown[1], (y + 0.5) / rows / found.shown[0]
        if across < 1 and down < 1:
            ground = [255 * part for part in colormaps['viridis'](scale(gate[y, x]))[:3]]
            axis.text(across * width, down * height, f'{gate[y, x]:.2f}', ha='center', va='center', fontsize=10,
                      color=[part / 255 for part in ink(ground)])

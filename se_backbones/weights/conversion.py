"""From the keys of one library to those of another, with what speaks for and against the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from se_backbones.checks import did_you_mean, first_few
from se_backbones.weights.errors import LayoutError, WeightsError
from se_backbones.weights.layouts import LAYOUTS, detect, get_layout
from se_backbones.weights.layouts.networks import build_network
from se_backbones.weights.manifest import architectures, manifest
from se_backbones.weights.reading import read_checkpoint

CAFFE = 'caffe-senet'


@dataclass(frozen=True)
class Conversion:
    """The tensors of a file under other keys.

    Attributes:
        source, target: Names of the layouts.
        arch: Name in the manifest's table of architectures; empty: not known.
        backbone: Config of our backbone that computes what the source's network does; None: not known.
        before: The tensors as they were read; None for Caffe's networks, which have other tensors.
        ours: By our keys.
        state: By the target's keys.
        renamed: How many have another key in ``state`` than in ``before``.
        unknown: Keys (Caffe: layers) of the file that the source layout does not have; their tensors are left out.
        missing: Our keys that the architecture has and the file has not.
        unexpected: Our keys that the file has and the architecture has not.
        reshaped: Our keys with another shape than in the architecture.
    """

    source: str
    target: str
    arch: str
    backbone: Mapping[str, Any] | None
    before: dict[str, Tensor] | None
    ours: dict[str, Tensor]
    state: dict[str, Tensor]
    renamed: int
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the tensors are those of the architecture, as far as it is known."""
        return not (self.missing or self.unexpected or self.reshaped)


def convert(path: str | Path, target: str, source: str = '', arch: str = '', **caffe_options: Any) -> Conversion:
    """Read a checkpoint and give its tensors the keys of another library.

    Args:
        path: Of the file.
        target: Name of the layout that is wanted.
        source: Name of the file's layout; empty: that of the published weights of this file name, or what its keys
            look like.
        arch: Name in the manifest's table of architectures; empty: that of the published weights of this file name.
        caffe_options: For ``caffe-senet``: see :func:`se_backbones.weights.caffe.convert_caffemodel`.

    Raises:
        WeightsError: The file cannot be read, is not in the layout, or holds what the target has no keys for.
    """
    path = Path(path)
    wanted = get_layout(target)
    published = next((weights for weights in manifest().values() if weights.file == path.name), None)
    if published is not None:
        source, arch = source or published.layout, arch or published.arch
    if source == CAFFE or (not source and path.suffix == '.caffemodel'):
        from se_backbones.weights.caffe import convert_caffemodel
        converted = convert_caffemodel(path, **caffe_options)
        source, before, ours, unknown = CAFFE, None, converted.state, converted.report.unknown
        backbone = converted.backbone
    else:
        before = read_checkpoint(path).state
        source = get_layout(source).name if source else _detected(before, path)
        read = LAYOUTS[source].to_ours(before)
        ours, unknown = read.state, read.unmatched
        backbone = backbone_config(arch, source, path.name) if arch else None
    written = wanted.from_ours(ours)
    if written.unmatched:
        raise LayoutError(f'{wanted.text} ({target}) has no keys for {len(written.unmatched)} of the tensors, such as '
                          f'{first_few(written.unmatched)}; it has SE at its standard place only.')
    kept = set(written.state) & set(before or ())
    misfits = _misfits(ours, backbone) if backbone else {}
    return Conversion(source, wanted.name, arch, backbone, before, ours, written.state,
                      renamed=len(written.state) - len(kept), unknown=unknown, **misfits)


def backbone_config(arch: str, layout: str, file: str = '') -> dict[str, Any]:
    """Return the config of our backbone for an architecture as the authors of a layout's weights have it.

    Args:
        arch: Name in the manifest's table of architectures.
        layout: Name of the layout.
        file: A published file name decides, where several weights are in this layout.

    Raises:
        WeightsError: There is no such architecture.
    """
    known = architectures()
    if arch not in known:
        raise WeightsError(f'There is no architecture {arch!r}.{did_you_mean(arch, known)} '
                           f'There are: {", ".join(known)}.')
    rows = [weights for weights in manifest().values() if weights.arch == arch]
    rows = ([weights for weights in rows if weights.file == file]
            or [weights for weights in rows if weights.layout == layout])
    return dict(rows[0].backbone) if rows else known[arch]


def _detected(state: Mapping[str, Tensor], path: Path) -> str:
    layout = detect(state)
    if layout is None:
        raise LayoutError(f'The keys of {path.name}, such as {first_few(state)}, are those of no layout that we know: '
                          f'{", ".join(LAYOUTS)}.')
    return layout.name


def _misfits(ours: Mapping[str, Tensor], backbone: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    with torch.device('meta'):
        network = build_network('se-backbones', '', backbone, ours)
    wanted = {key.removeprefix('backbone.'): value.shape for key, value in network.state_dict().items()}
    return {
        'missing': tuple(key for key in wanted if key not in ours and not key.endswith('num_batches_tracked')),
        'unexpected': tuple(key for key in ours if key not in wanted),
        'reshaped': tuple(key for key in wanted if key in ours and ours[key].shape != wanted[key]),
    }

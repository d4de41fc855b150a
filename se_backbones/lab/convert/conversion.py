"""Convert the keys of one library to those of another, with a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from se_backbones.lab.convert.networks import build_network
from se_backbones.models.loading import differences
from se_backbones.models.loading.coverage import misfits
from se_backbones.pretrained.errors import LayoutError, WeightsError
from se_backbones.pretrained.layouts import CAFFE, LAYOUTS, detect, get_layout
from se_backbones.pretrained.manifest import architectures, manifest
from se_backbones.pretrained.reading import read_checkpoint
from se_backbones.pretrained.requirements import settings_of
from se_backbones.pretrained.writing import write_checkpoint, write_new
from se_backbones.utils.metadata import settings_in, with_settings
from se_backbones.utils.validation import did_you_mean, first_few


@dataclass(frozen=True)
class CaffeFile:
    """The side of a conversion that is Caffe's.

    Attributes:
        content: Of the ``.caffemodel``.
        prototxt: Of the network, if it was given.
        reordered: Whether the classes have another order there than in our tensors.
        folded: Whether our tensors take other images.
    """

    content: bytes
    prototxt: Path | None
    reordered: bool
    folded: bool


@dataclass(frozen=True)
class Conversion:
    """The tensors of a file under other keys.

    Attributes:
        source, target: Names of the layouts.
        arch: Name in the manifest's table of architectures; empty: not known.
        backbone: Config of our backbone that computes what the source's network does; None: not known.
        before: The tensors as they were read; None for Caffe's networks, which have other tensors.
        caffe: Caffe's side, if there is one.
        ours: By our keys.
        state: By the target's keys; for Caffe, by the names of the layers and the numbers of their blobs.
        renamed: How many have another key in ``state`` than in ``before``.
        unknown: Keys (Caffe: layers) of the file that the source layout does not have; their tensors are left out.
        missing: Our keys that the architecture has and the file has not.
        unexpected: Our keys that the file has and the architecture has not.
        mismatched: Our keys with another shape than in the architecture.
        not_finite: Our keys whose tensors hold NaN or infinity.
        trained: Settings that no tensor shows, as the file, or Caffe's layers, say them; empty: they do not.
        differing: Where those, ``backbone`` and the target's network disagree, in words.
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
    mismatched: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()
    caffe: CaffeFile | None = None
    trained: Mapping[str, str] = field(default_factory=dict)
    differing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the tensors are those of the architecture, as far as it is known."""
        return not (self.missing or self.unexpected or self.mismatched)

    def write(self, path: str | Path) -> Path:
        """Write the result into a new file.

        Raises:
            CheckpointError: The file exists, has another suffix than the target needs, or cannot be written.
        """
        if self.target == CAFFE:
            return write_new(path, lambda part: part.write_bytes(self.caffe.content))
        settings = {**(settings_of(self.backbone) if self.backbone else {}), **self.trained}
        return write_checkpoint(with_settings(self.state, settings) if settings else self.state, path)


def convert(path: str | Path, target: str, source: str = '', arch: str = '', *, prototxt: str | Path | None = None,
            class_order: str | None = None, fold_preprocessing: str | None = None) -> Conversion:
    """Read a checkpoint and give its tensors the keys of another library.

    Args:
        path: Of the file.
        target: Name of the layout that is wanted.
        source: Name of the file's layout; empty: that of the published weights of this file name, or what its keys
            look like.
        arch: Name in the manifest's table of architectures; empty: that of the published weights of this file name.
            Of its networks the one is meant whose settings are those that the file says.
        prototxt: Of the Caffe network, on either side: checked against the tensors, and needed to compare outputs.
        class_order: Of the result, from or to Caffe: ``'sorted'`` or ``'devkit'``; None: what the result's library has.
        fold_preprocessing: From Caffe: see :func:`se_backbones.lab.caffe.convert_caffemodel`.

    Raises:
        WeightsError: The file cannot be read, is not in the layout, or holds what the target has no keys for.
    """
    path = Path(path)
    target = target if target == CAFFE else get_layout(target).name
    published = next((weights for weights in manifest().values() if weights.file == path.name), None)
    if published is not None:
        source, arch = source or published.layout, arch or published.arch
    caffe = backbone = None
    if source == CAFFE or (not source and path.suffix == '.caffemodel'):
        from se_backbones.lab.caffe import convert_caffemodel
        order = class_order if class_order and target != CAFFE else 'sorted'
        converted = convert_caffemodel(path, prototxt, class_order=order, fold_preprocessing=fold_preprocessing)
        source, before, ours, unknown = CAFFE, None, converted.state, converted.report.unknown
        backbone, trained = converted.backbone, settings_of(converted.backbone)
        caffe = CaffeFile(path.expanduser().read_bytes(), prototxt and Path(prototxt),
                          converted.report.class_order == 'sorted', bool(fold_preprocessing))
    else:
        before = read_checkpoint(path).state
        source = get_layout(source).name if source else _detected(before, path)
        read = LAYOUTS[source].to_ours(before)
        ours, unknown = read.state, read.unmatched
        metadata = before._metadata
        trained = settings_in(metadata.get('backbone', metadata.get('')))
    if arch:
        backbone = backbone_config(arch, source, target, file=path.name, trained=trained)
    said = {path.name: trained}
    if target == CAFFE:
        state, caffe, found = _to_caffe(ours, prototxt, class_order or 'devkit')
        backbone = backbone or found
        said[f'the network of {target}'] = settings_of(found)
    else:
        state = _from_ours(ours, target)
    own = settings_of(backbone) if backbone else {}
    return Conversion(
        source, target, arch, backbone, before, ours, state,
        renamed=len(state) - len(set(state) & set(before or ())), unknown=unknown, caffe=caffe,
        trained=trained,
        differing=tuple(text for name, theirs in said.items() for text in differences(own, theirs, name)),
        not_finite=tuple(key for key, value in ours.items()
                         if value.is_floating_point() and not value.isfinite().all()),
        **(_misfits(ours, backbone) if backbone else {}))


def _from_ours(ours: Mapping[str, Tensor], target: str) -> dict[str, Tensor]:
    layout = get_layout(target)
    written = layout.from_ours(ours)
    if written.unmatched:
        raise LayoutError(f'{layout.text} ({target}) has no keys for {len(written.unmatched)} of the tensors, such as '
                          f'{first_few(written.unmatched)}; it has SE at its standard place only.')
    return written.state


def _to_caffe(ours: Mapping[str, Tensor], prototxt: str | Path | None,
              class_order: str) -> tuple[dict[str, Tensor], CaffeFile, dict[str, Any]]:
    """Return the blobs by layer, the file, and the config of our backbone that computes the same."""
    from se_backbones.lab.caffe import caffe_layers, caffemodel_of  # protobuf only where it is needed
    from se_backbones.lab.caffe.networks import backbone_of, family_of
    layers = caffe_layers(ours, prototxt, class_order=class_order)
    reordered = class_order == 'devkit' and len(ours.get('head.fc.bias', ())) == 1000
    return ({f'{name}[{number}]': blob for name, layer in layers.items() for number, blob in enumerate(layer.blobs)},
            CaffeFile(caffemodel_of(layers), prototxt and Path(prototxt), reordered, False),
            backbone_of(layers, family_of(layers)))


def backbone_config(arch: str, *layouts: str, file: str = '', trained: Mapping[str, str] = {}  # noqa: B006 read only
                    ) -> dict[str, Any]:
    """Return the config of our backbone for an architecture as the authors of a layout's weights have it.

    Args:
        arch: Name in the manifest's table of architectures.
        layouts: Names of layouts; the first one that has weights of this architecture decides.
        file: A published file name decides, where several weights are in this layout.
        trained: Settings of the network that is meant: any config of the architecture that has them goes before one
            that has not.

    Raises:
        WeightsError: There is no such architecture.
    """
    known = architectures()
    if arch not in known:
        raise WeightsError(f'There is no architecture {arch!r}.{did_you_mean(arch, known)} '
                           f'There are: {", ".join(known)}.')
    rows = [weights for weights in manifest().values() if weights.arch == arch]
    chosen = [weights.backbone for weights in rows if weights.file == file]
    chosen += [weights.backbone for layout in layouts for weights in rows if weights.layout == layout]
    chosen += [known[arch], *(weights.backbone for weights in rows)]
    return dict(next((config for config in chosen if not differences(settings_of(config), trained, '')), chosen[0]))


def _detected(state: Mapping[str, Tensor], path: Path) -> str:
    layout = detect(state)
    if layout is None:
        raise LayoutError(f'The keys of {path.name}, such as {first_few(state)}, match no known layout: '
                          f'{", ".join(LAYOUTS)}.')
    return layout.name


def _misfits(ours: Mapping[str, Tensor], backbone: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    with torch.device('meta'):
        network = build_network('se-backbones', '', backbone, ours)
    return misfits({key.removeprefix('backbone.'): value for key, value in network.state_dict().items()}, ours)

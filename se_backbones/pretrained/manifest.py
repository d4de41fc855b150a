"""The published weights that fit our backbones: one table, ``manifest.toml``, and typed access to it."""

import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from se_backbones.pretrained.errors import WeightsError
from se_backbones.utils.validation import did_you_mean

MANIFEST = Path(__file__).with_name('manifest.toml')
# torch.hub's convention: a file is named after the first digits of its SHA-256.
_HASH = re.compile(r'-([0-9a-f]{8,})\.')


@dataclass(frozen=True)
class Preprocessing:
    """What the network was trained on.

    Attributes:
        channel_order: ``'rgb'`` or ``'bgr'``.
        mean, std: Per channel, in the order of ``channel_order``, for pixels from 0 to 255.
    """

    channel_order: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Weights:
    """One published checkpoint.

    Attributes:
        name: As in ``se-backbones://NAME``: the architecture, a dot, and where it comes from.
        arch: Key of ``architectures``.
        backbone: Config of the backbone that computes what the authors' network does, ``type`` included.
        timm: timm's name of it, such as ``seresnet50.ra2_in1k``; empty if timm does not have it.
        layout: Name of its key layout (:mod:`se_backbones.pretrained.layouts`).
        file: File name in the cache.
        megabytes: Size of the tensors, in 10^6 bytes.
        urls: Where to get it, best first; empty if it can only be fetched by hand from ``page``.
        page: Where a person finds it.
        sha256: Hex digest where it is known, or else the first digits, which the file name has; empty if none was
            published.
        preprocessing: Of the images.
        dropout: Before the classifier, in training.
        num_classes: Of its classifier; 0: it has none.
        crop, resize: Test crop, and shorter side of the image before it, in pixels.
        interpolation: Of that resizing.
        top1, top5: Reported accuracy in per cent on ImageNet's validation set, or None.
        source: Who reports it.
        licence: Of the weights, as far as stated.
        note: What else to know.
    """

    name: str
    arch: str
    backbone: Mapping[str, Any]
    layout: str
    file: str
    megabytes: int
    urls: tuple[str, ...]
    page: str
    sha256: str
    preprocessing: Preprocessing
    dropout: float
    num_classes: int
    crop: int
    resize: int
    interpolation: str
    top1: float | None
    top5: float | None
    source: str
    licence: str
    timm: str = ''
    note: str = ''


@dataclass(frozen=True)
class Manifest:
    """The whole table.

    Attributes:
        architectures: Config of our backbone by name, without what differs between implementations.
        weights: The published weights by name, in the order of the table.
    """

    architectures: dict[str, dict[str, Any]]
    weights: dict[str, Weights]


def read_manifest(text: str) -> Manifest:
    """Return what a table says: a row goes before its source, the source before the defaults."""
    table = tomllib.loads(text)
    entries = {}
    for source in table['sources'].values():
        for row in source['weights']:
            entry = _entry({**table['defaults'], **source, **row}, table['architectures'])
            entries[entry.name] = entry
    return Manifest(table['architectures'], entries)


def _entry(row: dict[str, Any], architectures: dict) -> Weights:
    del row['weights']
    arch = row['name'].partition('.')[0]
    digits = _HASH.search(row['file'])
    made = {
        'arch': arch,
        'backbone': {**architectures[arch], **row.get('backbone', {})},
        'urls': tuple(base + row['file'] if base.endswith('/') else base for base in row['urls']),
        'preprocessing': Preprocessing(**{key: value if isinstance(value, str) else tuple(value)
                                          for key, value in row['preprocessing'].items()}),
    }
    return Weights(**{'top1': None, 'top5': None, 'sha256': digits[1] if digits else '', **row, **made})


@cache
def _shipped() -> Manifest:
    return read_manifest(MANIFEST.read_text())


def architectures() -> dict[str, dict[str, Any]]:
    """Return the config of our backbone for each architecture, without what differs between implementations."""
    return deepcopy(_shipped().architectures)


def manifest() -> dict[str, Weights]:
    """Return the published weights by name, in the order of the table."""
    return _shipped().weights


def by_timms_name() -> dict[str, Weights]:
    """Return the published weights that timm has, by its names for them, such as ``seresnet50.ra2_in1k``."""
    return {weights.timm: weights for weights in manifest().values() if weights.timm}


def find(name: str) -> Weights:
    """Return the published weights of this name, ours or timm's.

    Raises:
        WeightsError: There are none; the text names near ones and how to list all.
    """
    entries = manifest() | by_timms_name()
    if name not in entries:
        raise WeightsError(f'No published weights are named {name!r}.{did_you_mean(name, entries)} '
                           'List them with: se-backbones weights list')
    return entries[name]


def config_text(config: Any) -> str:
    """Return a config as one writes it: ``dict(type='se_backbones.ResNet', depth=50)``."""
    if isinstance(config, Mapping):
        return f'dict({", ".join(f"{key}={config_text(value)}" for key, value in config.items())})'
    if isinstance(config, list):
        return f'[{", ".join(map(config_text, config))}]'
    return repr(config)

"""The published weights that fit our backbones: one table, ``manifest.toml``, and typed access to it."""

import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
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
        layout: Name of its key layout (:mod:`se_backbones.pretrained.layouts`).
        file: File name in the cache.
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
    note: str = field(default='')


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
    """Return what a table says.

    Raises:
        WeightsError: It is no such table. The text names the row and the key.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WeightsError(f'{MANIFEST.name} is not TOML: {error}') from None
    architectures, defaults, sources = (_dict(table, key, MANIFEST.name)
                                        for key in ('architectures', 'defaults', 'sources'))
    entries: dict[str, Weights] = {}
    for name in sources:
        shared = dict(_dict(sources, name, 'sources'))
        rows = shared.pop('weights', None)
        if not isinstance(rows, list):
            raise WeightsError(f'sources.{name} of {MANIFEST.name} has no list of weights.')
        for number, row in enumerate(rows):
            where = f'sources.{name}.weights[{number}] of {MANIFEST.name}'
            if not isinstance(row, dict):
                raise WeightsError(f'{where} is no table.')
            entry = _entry({**defaults, **shared, **row}, architectures, where)
            if entry.name in entries:
                raise WeightsError(f'{MANIFEST.name} has two weights named {entry.name!r}.')
            entries[entry.name] = entry
    return Manifest(architectures, entries)


def _dict(table: dict, key: str, where: str) -> dict:
    value = table.get(key)
    if not isinstance(value, dict):
        raise WeightsError(f'{where} has no table {key!r}.')
    return value


# What a row must have, and of which kind.
_KINDS = {
    'name': str, 'file': str, 'layout': str, 'urls': list, 'page': str, 'preprocessing': dict, 'dropout': float,
    'num_classes': int, 'crop': int, 'resize': int, 'interpolation': str, 'source': str, 'licence': str,
}
_MAY_BE_ABSENT = {'top1': float, 'top5': float, 'note': str, 'backbone': dict, 'sha256': str}
_NUMBERS = (int, float)


def _entry(row: dict[str, Any], architectures: dict, where: str) -> Weights:
    for key, kind in (_KINDS | _MAY_BE_ABSENT).items():
        if key in row and not (isinstance(row[key], _NUMBERS if kind is float else kind)):
            raise WeightsError(f'{where}: {key} must be a {kind.__name__}, got {row[key]!r}.')
    for key in _KINDS:
        if key not in row:
            raise WeightsError(f'{where} has no {key}.')
    for key in row:
        if key not in _KINDS | _MAY_BE_ABSENT:
            raise WeightsError(f'{where} has no key {key!r}.{did_you_mean(key, _KINDS | _MAY_BE_ABSENT)}')
    arch, _, _ = row['name'].partition('.')
    if not isinstance(architectures.get(arch), dict):
        raise WeightsError(f'{where}: there is no architecture {arch!r}.{did_you_mean(arch, architectures)}')
    if not all(isinstance(url, str) for url in row['urls']):
        raise WeightsError(f'{where}: urls must be strings, got {row["urls"]!r}.')
    match = _HASH.search(row['file'])
    digits = match[1] if match else ''
    digest = row.get('sha256', digits)
    if digest != digits and not (re.fullmatch('[0-9a-f]{64}', digest) and digest.startswith(digits)):
        raise WeightsError(f'{where}: sha256 must be 64 hex digits that begin as in the file name, got {digest!r}.')
    made = {
        'arch': arch,
        'backbone': {**architectures[arch], **row.get('backbone', {})},
        'urls': tuple(base + row['file'] if base.endswith('/') else base for base in row['urls']),
        'sha256': digest,
        'preprocessing': _preprocessing(row['preprocessing'], where),
    }
    return Weights(**{'top1': None, 'top5': None, **row, **made})


def _preprocessing(given: dict, where: str) -> Preprocessing:
    order, *numbers = (given.get(key) for key in ('channel_order', 'mean', 'std'))
    if len(given) != 3 or order not in ('rgb', 'bgr') or not all(
            isinstance(three, list) and len(three) == 3 and all(isinstance(value, _NUMBERS) for value in three)
            for three in numbers):
        raise WeightsError(f"{where}: preprocessing must be channel_order ('rgb' or 'bgr'), mean and std (three "
                           f'numbers each), got {given!r}.')
    return Preprocessing(order, *map(tuple, numbers))


@cache
def _shipped() -> Manifest:
    return read_manifest(MANIFEST.read_text())


def architectures() -> dict[str, dict[str, Any]]:
    """Return the config of our backbone for each architecture, without what differs between implementations."""
    return deepcopy(_shipped().architectures)


def manifest() -> dict[str, Weights]:
    """Return the published weights by name, in the order of the table."""
    return _shipped().weights


def find(name: str) -> Weights:
    """Return the published weights of this name.

    Raises:
        WeightsError: There are none; the text names near ones and how to list all.
    """
    entries = manifest()
    if name not in entries:
        raise WeightsError(f'No published weights are named {name!r}.{did_you_mean(name, entries)} '
                           'List them with: python -m se_backbones.weights list')
    return entries[name]


def config_text(config: Any) -> str:
    """Return a config as one writes it: ``dict(type='se_backbones.ResNet', depth=50)``."""
    if isinstance(config, Mapping):
        return f'dict({", ".join(f"{key}={config_text(value)}" for key, value in config.items())})'
    return repr(config)

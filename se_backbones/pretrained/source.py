"""From what a config calls a checkpoint (name, URL, path) to its tensors: checked, and without running its code."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mmengine.runner import checkpoint as _mmengine
from torch import Tensor

from se_backbones.pretrained.download import fetch, url_file
from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.layouts import LAYOUTS
from se_backbones.pretrained.manifest import Weights, find
from se_backbones.pretrained.reading import read_all, read_checkpoint, refusal, weights_only
from se_backbones.pretrained.requirements import published_name
from se_backbones.registry import SCHEME
from se_backbones.utils.validation import did_you_mean

# The originals' host is dead; the maintained forks serve the same paths.
_MIRRORS = {'https://download.openmmlab.com/': 'https://mmassets.onedl.ai/'}


@dataclass(frozen=True)
class Source:
    """A checkpoint's tensors.

    Attributes:
        state: By our keys if it comes from the manifest, else by its own.
        weights: Its row of the manifest, if it has one.
    """

    state: dict[str, Tensor]
    weights: Weights | None = None


def load(checkpoint: str, map_location: str = 'cpu') -> Source:
    """Return the tensors of a checkpoint.

    Args:
        checkpoint: ``se-backbones://NAME``, ``torchvision://NAME``, ``open-mmlab://NAME``, ``mmcls://NAME``, a URL
            (http, https, file), a path, or whatever else mmengine's ``CheckpointLoader`` has a scheme for.
        map_location: As in ``torch.load``.

    Raises:
        WeightsError: It cannot be had, is damaged, or would have to run code to be read.
    """
    if checkpoint.startswith(SCHEME):
        weights = find(published_name(checkpoint))
        state = published(weights, map_location)
        return Source(as_classifier(state) if checkpoint.endswith('/classifier') else state, weights)
    path = _path(checkpoint)
    if path is None:
        return Source(_elsewhere(checkpoint, map_location))
    return Source(_part_for(checkpoint, read_checkpoint(path, map_location).state))


def load_all(checkpoint: str, map_location: str = 'cpu') -> dict[str, Any]:
    """Return all that a checkpoint holds, with the tensors under ``'state_dict'``, for a run that is resumed or tested.

    Args:
        checkpoint: As for :func:`load`, but for schemes of mmengine and others.
        map_location: As in ``torch.load``.

    Raises:
        WeightsError: As :func:`load`.
    """
    path = None if checkpoint.startswith(SCHEME) else _path(checkpoint)
    if path is None:
        return dict(state_dict=load(checkpoint, map_location).state)
    content = read_all(path, map_location)
    return {**content, 'state_dict': _part_for(checkpoint, content['state_dict'])}


def published(weights: Weights, map_location: str = 'cpu') -> dict[str, Tensor]:
    """Return the tensors of published weights by our keys: the backbone's without prefix, and ``head.fc.*``."""
    path = fetch(weights.file, weights.urls, weights.sha256, weights.page)
    if weights.layout == 'caffe-senet':
        from se_backbones.pretrained.caffe import convert_caffemodel  # protobuf only where it is needed
        return convert_caffemodel(path).state
    state = read_checkpoint(path, map_location).state
    return LAYOUTS[weights.layout].to_ours(state).state


def as_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by the keys of an mmpretrain classifier: ``backbone.*`` and ``head.*``."""
    return {key if key.startswith('head.') else f'backbone.{key}': value for key, value in state.items()}


def _path(checkpoint: str) -> str | Path | None:
    """Return the file of a path, URL or name, fetched if need be; None: it is somewhere else."""
    scheme, _, name = checkpoint.partition('://') if '://' in checkpoint else ('', '', checkpoint)
    if scheme in _NAMED:
        return _named(scheme, name)
    if scheme in ('http', 'https'):
        return _fetched(checkpoint)
    if scheme == 'file':
        return unquote(urlsplit(checkpoint).path)
    return None if scheme else name


def _fetched(url: str) -> Path:
    file, sha256 = url_file(url)
    return fetch(file, _mirrored(url), sha256)


def _mirrored(url: str) -> tuple[str, ...]:
    for host, mirror in _MIRRORS.items():
        if url.startswith(host):
            return url.replace(host, mirror, 1), url
    return (url,)


_NAMED = {
    'torchvision': _mmengine.get_torchvision_models,
    'modelzoo': _mmengine.get_torchvision_models,
    'open-mmlab': _mmengine.get_external_models,
    'openmmlab': _mmengine.get_external_models,
    'mmcls': _mmengine.get_mmcls_models,
}
# Of all that is read here, as mmengine's CheckpointLoader knows them; '' stands for paths.
PREFIXES = ('', 'file://', 'http://', 'https://', *(f'{scheme}://' for scheme in _NAMED))


def _named(scheme: str, name: str) -> str | Path:
    """Return the file that mmengine has a table for; its own loader would run whatever code it holds."""
    urls = _NAMED[scheme]()
    if scheme in ('open-mmlab', 'openmmlab'):
        name = _mmengine.get_deprecated_model_names().get(name, name)
    if name not in urls:
        raise WeightsError(f'{scheme}:// has no weights named {name!r}.{did_you_mean(name, urls)}')
    if not urls[name].startswith('http'):
        # A user's open_mmlab.json may name files beside it.
        return os.path.join(_mmengine._get_mmengine_home(), urls[name])
    return _fetched(urls[name])


def _part_for(checkpoint: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that are meant: those of the backbone for ``mmcls://``, as in mmengine."""
    if not checkpoint.startswith('mmcls://'):
        return state
    return {key.removeprefix('backbone.'): value for key, value in state.items() if key.startswith('backbone.')}


def _elsewhere(checkpoint: str, map_location: str) -> dict[str, Tensor]:
    """Load by a scheme that only mmengine or a plugin of its knows (s3://, petrel://, ...)."""
    try:
        with weights_only():
            loaded = _mmengine.CheckpointLoader.load_checkpoint(checkpoint, map_location, logger='current')
    except pickle.UnpicklingError as error:
        raise refusal(checkpoint, error) from None
    return dict(loaded.get('state_dict', loaded))

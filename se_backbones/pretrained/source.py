"""Load a checkpoint as configs name it (name, URL, path)."""

import importlib
import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mmengine.runner import checkpoint as _mmengine
from torch import Tensor

from se_backbones.pretrained import mindspore
from se_backbones.pretrained.download import fetch, url_file
from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.hub import fetch_from_hub, fetch_weights
from se_backbones.pretrained.layouts import CAFFE, LAYOUTS, detect
from se_backbones.pretrained.manifest import Weights
from se_backbones.pretrained.names import TABLES, by_file, recognised, url_of
from se_backbones.pretrained.reading import read_all, read_checkpoint, refusal, weights_only
from se_backbones.pretrained.requirements import settings_of
from se_backbones.registry import HUB, SCHEME
from se_backbones.utils.metadata import under, with_metadata, with_settings
from se_backbones.utils.validation import did_you_mean

# The originals' server is gone; the maintained forks serve the same paths.
_MIRRORS = {'https://download.openmmlab.com/': 'https://mmassets.onedl.ai/'}


@dataclass(frozen=True)
class Source:
    """A checkpoint's tensors.

    Attributes:
        state: By our keys if our scheme named it, else by its own; with what is known of the network's settings.
        weights: Its row of the manifest, if its name or file name is there.
        meta: What a Runner or ``se-backbones publish`` saved about them; nothing of those that others publish.
    """

    state: dict[str, Tensor]
    weights: Weights | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def load(checkpoint: str, map_location: str = 'cpu') -> Source:
    """Return the tensors of a checkpoint.

    Args:
        checkpoint: ``se-backbones://NAME``, ``hf-hub:OWNER/NAME``, ``torchvision://NAME``, ``open-mmlab://NAME``,
            ``mmcls://NAME``, a URL (https, file), a path, or whatever else mmengine's ``CheckpointLoader`` has a
            scheme for.
        map_location: As in ``torch.load``.

    Raises:
        WeightsError: It cannot be loaded, is damaged, or would have to run code to be read.
    """
    if not checkpoint:
        raise WeightsError("checkpoint='' names no weights: give a file, a URL, or a name such as "
                           "'se-backbones://se_resnet50.timm_ra2'.")
    weights, meta = recognised(checkpoint), {}
    if checkpoint.startswith(SCHEME):
        state = published(weights, map_location)
        state = as_classifier(state) if checkpoint.endswith('/classifier') else state
    elif checkpoint.startswith(HUB):
        state = _from_hub(checkpoint, weights, map_location)
    elif (path := _path(checkpoint)) is None:
        state = _elsewhere(checkpoint, map_location)
    else:
        content = read_checkpoint(path, map_location)
        state, meta = _part_for(checkpoint, content.state), content.meta
    return Source(_with_settings(state, weights), weights, meta)


def load_all(checkpoint: str, map_location: str = 'cpu') -> dict[str, Any]:
    """Return all that a checkpoint holds, with the tensors under ``'state_dict'``, for a run that is resumed or tested.

    Args:
        checkpoint: As for :func:`load`, but for schemes of mmengine and others.
        map_location: As in ``torch.load``.

    Raises:
        WeightsError: As :func:`load`.
    """
    path = None if checkpoint.startswith((SCHEME, HUB)) else _path(checkpoint)
    if path is None:
        return dict(state_dict=load(checkpoint, map_location).state)
    content = read_all(path, map_location)
    state = _part_for(checkpoint, content['state_dict'])
    return {**content, 'state_dict': _with_settings(state, recognised(checkpoint))}


def _with_settings(state: dict[str, Tensor], weights: Weights | None) -> dict[str, Tensor]:
    """Return the tensors with what published ones were trained with, for the module that they are loaded into."""
    return state if weights is None else with_settings(state, settings_of(weights.backbone))


def published(weights: Weights, map_location: str = 'cpu') -> dict[str, Tensor]:
    """Return the tensors of published weights by our keys: the backbone's without prefix, and ``head.fc.*``."""
    path = fetch_weights(weights)
    if weights.layout == CAFFE:
        return of_caffe(path)
    if weights.layout == mindspore.LAYOUT:
        return mindspore.to_ours(mindspore.read_ckpt(path))
    return LAYOUTS[weights.layout].to_ours(read_checkpoint(path, map_location).state).state


def of_caffe(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.caffemodel`` by our keys; needs the extra ``[caffe]``."""
    # By name, as in the registry: what reads Caffe's files is of the lab, which builds on this.
    return importlib.import_module('se_backbones.lab.caffe').convert_caffemodel(path).state


def _from_hub(checkpoint: str, weights: Weights | None, map_location: str) -> dict[str, Tensor]:
    """Return the tensors of a repository on the hub; timm's networks by our keys, what has none by its own."""
    state = read_checkpoint(fetch_from_hub(checkpoint), map_location).state
    layout = LAYOUTS[weights.layout] if weights else detect(state)
    if not (layout and layout.name.startswith('timm')):
        return state
    renamed = layout.to_ours(state)
    # What our networks have no place for tells the one that loads them that they are of another kind.
    return {**renamed.state, **{key: state[key] for key in renamed.unmatched}}


def as_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by the keys of an mmpretrain classifier: ``backbone.*`` and ``head.*``."""
    return {key if key.startswith('head.') else f'backbone.{key}': value for key, value in state.items()}


def _path(checkpoint: str) -> str | Path | None:
    """Return the file of a path, URL or name, fetched if need be; None: it is somewhere else."""
    scheme, _, name = checkpoint.partition('://') if '://' in checkpoint else ('', '', checkpoint)
    if scheme in TABLES:
        return _named(scheme, name)
    if scheme in ('http', 'https'):
        return _fetched(checkpoint)
    if scheme == 'file':
        return unquote(urlsplit(checkpoint).path)
    return None if scheme else name


def _fetched(url: str) -> Path:
    file, sha256 = url_file(url)
    known = by_file().get(file)
    return fetch(file, _mirrored(url), known.sha256 if known else sha256)


def _mirrored(url: str) -> tuple[str, ...]:
    for original, mirror in _MIRRORS.items():
        if url.startswith(original):
            return url.replace(original, mirror, 1), url
    return (url,)


# Of all that is read here, as mmengine's CheckpointLoader knows them; '' stands for paths.
PREFIXES = ('', 'file://', 'http://', 'https://', *(f'{scheme}://' for scheme in TABLES))


def _named(scheme: str, name: str) -> str | Path:
    """Return the file that mmengine has a table for; its own loader would run whatever code it holds."""
    url = url_of(scheme, name)
    if not url.startswith('http'):
        # A user's open_mmlab.json may name files beside it.
        return os.path.join(_mmengine._get_mmengine_home(), url)
    return _fetched(url)


def _part_for(checkpoint: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that are meant: those of the backbone for ``mmcls://``, as in mmengine."""
    if not checkpoint.startswith('mmcls://'):
        return state
    return under('backbone.', state)


def _elsewhere(checkpoint: str, map_location: str) -> dict[str, Tensor]:
    """Load by a scheme that only mmengine or a plugin of its knows (s3://, petrel://, ...)."""
    if not any(re.match(prefix, checkpoint) for prefix in _mmengine.CheckpointLoader._schemes if prefix):
        # mmengine would take it for a path.
        scheme, known = checkpoint.partition('://')[0], (SCHEME[:-3], 'https', 'file', *TABLES)
        raise WeightsError(f'{checkpoint}: there is no scheme {scheme}://; known are {", ".join(known)}.'
                           f'{did_you_mean(scheme, known)}')
    try:
        with weights_only():
            loaded = _mmengine.CheckpointLoader.load_checkpoint(checkpoint, map_location, logger='current')
    except pickle.UnpicklingError as error:
        raise refusal(checkpoint, error) from None
    state = loaded.get('state_dict', loaded)
    return with_metadata({key.removeprefix('module.'): value for key, value in state.items()},
                         getattr(state, '_metadata', {}))

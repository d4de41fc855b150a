"""Metadata of a state dict: the settings of its networks that no tensor shows.

A state dict has ``_metadata``, a dict for each module, for the version of its keys. Ours has there, under :data:`KEY`,
what the module is (:mod:`se_backbones.models.loading.settings`): that goes through ``torch.save``, the Runner and
mmengine's loader, and torch hands it to the module that loads. safetensors has text for it.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    State = OrderedDict[str, Tensor]

# In a module's metadata, and in those of a safetensors file.
KEY = 'se_backbones'
# What DataParallel and torch.compile put before the names of what they wrap, once each.
_WRAPPERS = re.compile(r'^(module\._orig_mod\.|_orig_mod\.module\.|_orig_mod\.|module\.)')


def unwrapped(name: str) -> str:
    """Return the name of a tensor as it is without what DataParallel and torch.compile put before it."""
    return _WRAPPERS.sub('', name)


def with_metadata(state: 'Mapping[str, Tensor]', metadata: Mapping[str, Any]) -> 'State':
    """Return a state dict with metadata, by the names of modules; a plain dict cannot carry any."""
    result = OrderedDict(state)
    result._metadata = OrderedDict(metadata)
    return result


def under(prefix: str, state: 'Mapping[str, Tensor]') -> 'State':
    """Return the tensors under a prefix such as ``'backbone.'`` by their names without it, and so their metadata."""
    metadata = {f'{name}.'.removeprefix(prefix).removesuffix('.'): value
                for name, value in getattr(state, '_metadata', {}).items() if f'{name}.'.startswith(prefix)}
    return with_metadata({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)},
                         metadata)


def with_settings(state: 'Mapping[str, Tensor]', settings: Mapping[str, str]) -> 'State':
    """Return a state dict that says what its backbone is, be it of the backbone alone or of a whole model."""
    backbone = 'backbone' if any(key.startswith('backbone.') for key in state) else ''
    return with_metadata(state, {**getattr(state, '_metadata', {}), backbone: {KEY: dict(settings)}})


def settings_in(local_metadata: Any) -> dict[str, str]:
    """Return the settings in a module's metadata; empty: nothing is known. A file may hold anything there."""
    saved = local_metadata.get(KEY) if isinstance(local_metadata, Mapping) else None
    return {key: value for key, value in saved.items() if isinstance(key, str) and isinstance(value, str)} \
        if isinstance(saved, dict) else {}


def settings_only(metadata: Any) -> dict[str, dict]:
    """Return of a state dict's metadata the settings, by the :func:`unwrapped` names of modules."""
    if not isinstance(metadata, Mapping):
        return {}
    return {unwrapped(f'{name}.').removesuffix('.'): {KEY: settings_in(local)}
            for name, local in metadata.items() if isinstance(name, str) and settings_in(local)}


def as_text(state: 'Mapping[str, Tensor]') -> dict[str, str]:
    """Return the settings of a state dict for the metadata of a safetensors file."""
    found = {name: local[KEY] for name, local in settings_only(getattr(state, '_metadata', {})).items()}
    return {KEY: json.dumps(found, sort_keys=True)} if found else {}


def from_text(facts: Mapping[str, str]) -> dict[str, dict]:
    """Return the metadata of a state dict from those of a safetensors file."""
    try:
        found = json.loads(facts.get(KEY, '{}'))
    except ValueError:
        return {}
    return settings_only({name: {KEY: value} for name, value in found.items()} if isinstance(found, dict) else {})

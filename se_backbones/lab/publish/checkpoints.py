"""A training checkpoint made ready to publish: weights and plain facts, no optimizer, its hash in its name."""

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from se_backbones.lab.publish import FORMATS
from se_backbones.pretrained.reading import dataset_meta, read_checkpoint
from se_backbones.pretrained.writing import safetensors_of
from se_backbones.utils import atomic
from se_backbones.utils.metadata import as_text, from_text, with_metadata
from se_backbones.utils.validation import one_of
from se_backbones.version import __version__


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Attributes:
        path: The file, ``<name>-<first eight digits of its sha256>.<format>``, as torch.hub's check expects.
        sha256: The whole digest.
        tensors: Number of tensors in it.
        bytes_before, bytes_after: File sizes.
    """

    path: Path
    sha256: str
    tensors: int
    bytes_before: int
    bytes_after: int


def publish(source: str | Path, name: str | Path, file_format: str = 'safetensors') -> Published:
    """Write the weights of a checkpoint without optimizer and schedules, keeping what says where they come from.

    Args:
        source: A checkpoint of a Runner, or any that :func:`read_checkpoint` reads.
        name: Path of the new file without suffix; the hash and the suffix are added.
        file_format: ``'safetensors'`` or ``'pth'``.

    Raises:
        WeightsError: The source cannot be read.
        ValueError: The name is that of a folder.
        FileExistsError: The new file exists: the same weights were published before.
    """
    one_of('format', file_format, FORMATS)
    if str(name).endswith('/') or Path(name).is_dir():
        raise ValueError(f'{name} is a folder; say how the file in it is to be called: {Path(name)}/NAME.')
    checkpoint = read_checkpoint(source)
    # With an EMAHook these are the averaged weights already; clones, as safetensors refuses tensors that share memory.
    facts = as_text(checkpoint.state)
    state = with_metadata({key: value.detach().cpu().contiguous().clone() for key, value in checkpoint.state.items()},
                          from_text(facts))
    meta = _plain(checkpoint.meta)
    if file_format == 'safetensors':
        content = safetensors_of(state, {**{key: value if isinstance(value, str) else json.dumps(value)
                                            for key, value in meta.items()}, **facts})
    else:
        buffer = io.BytesIO()
        torch.save(dict(state_dict=state, meta=meta), buffer)
        content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    path = Path(f'{name}-{digest[:8]}.{file_format}')
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(path, new=True) as part:
        part.write_bytes(content)
    return Published(path, digest, len(state), os.path.getsize(source), len(content))


def _plain(meta: dict[str, Any]) -> dict[str, Any]:
    """Return what needs no pickled classes: text, numbers, and the names and colours by which the hosts draw."""
    kept = {key: value for key, value in meta.items() if isinstance(key, str) and isinstance(value, (str, int, float))}
    named = json.loads(json.dumps(dataset_meta(meta), default=lambda value: getattr(value, 'tolist', value.__str__)()))
    return {**kept, **(dict(dataset_meta=named) if named else {}), 'se_backbones_version': __version__}

"""A training checkpoint made fit to hand out: weights and plain facts, no optimizer, its hash in its name."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from se_backbones.lab.publish import FORMATS
from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.reading import read_checkpoint
from se_backbones.pretrained.writing import safetensors_of
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
        WeightsError: The source cannot be read, or the new file exists.
    """
    one_of('format', file_format, FORMATS)
    checkpoint = read_checkpoint(source)
    # With an EMAHook these are the averaged weights already; clones, as safetensors refuses tensors that share memory.
    facts = as_text(checkpoint.state)
    state = with_metadata({key: value.detach().cpu().contiguous().clone() for key, value in checkpoint.state.items()},
                          from_text(facts))
    meta = _plain(checkpoint.meta)
    target = Path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f'.{target.name}-', suffix='.part')
    os.close(handle)
    try:
        if file_format == 'safetensors':
            Path(temporary).write_bytes(safetensors_of(
                state, {**{key: str(value) for key, value in meta.items()}, **facts}))
        else:
            torch.save(dict(state_dict=state, meta=meta), temporary)
        with open(temporary, 'rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
            os.fsync(file.fileno())
        final = target.with_name(f'{target.name}-{digest[:8]}.{file_format}')
        if final.exists():
            raise WeightsError(f'{final} exists already; the same weights were published before.')
        os.chmod(temporary, 0o666 & ~_umask())
        os.rename(temporary, final)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return Published(final, digest, len(state), os.path.getsize(source), final.stat().st_size)


def _plain(meta: dict[str, Any]) -> dict[str, Any]:
    """Return what can be written without pickled classes: text, numbers, and the data set's class names."""
    kept = {key: value for key, value in meta.items() if isinstance(value, (str, int, float, bool))}
    dataset = meta.get('dataset_meta') or {}
    if dataset.get('classes'):
        kept['classes'] = ', '.join(map(str, dataset['classes']))
    return {**kept, 'se_backbones_version': __version__}


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current

"""From tensors to a file: a new one, all of it or nothing."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from se_backbones.weights.errors import CheckpointError

SUFFIXES = ('.pth', '.safetensors')


def write_checkpoint(state: Mapping[str, Tensor], path: str | Path) -> Path:
    """Write tensors into a new ``.pth`` or ``.safetensors`` file: all of it or nothing.

    Raises:
        CheckpointError: The suffix is another one, the file is there already, or it cannot be written.
    """
    path = Path(path)
    check_writable(path)
    state = {key: _own(value) for key, value in state.items()}
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        if path.suffix == '.pth':
            torch.save(state, part)
        else:
            # Not save_file: its files can be read by their owner alone.
            part.write_bytes(save(state, metadata={'format': 'pt'}))
        with part.open('rb+') as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path} cannot be written: {error}') from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def check_writable(path: Path) -> None:
    """Raise CheckpointError if a checkpoint cannot be written there; files are never written over."""
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f'{path} must end in {" or ".join(SUFFIXES)}.')
    if path.exists():
        raise CheckpointError(f'{path} exists and is not written over; remove it or choose another name.')
    if not path.parent.is_dir():
        raise CheckpointError(f'There is no folder {path.parent}.')


def _own(value: Tensor) -> Tensor:
    """Return the tensor in a storage of its own: a view would be saved with all that it is a view of."""
    value = value.contiguous()
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()

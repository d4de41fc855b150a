"""From a file to tensors: its kind is told by its content, its claims are held against its size, no code of it runs."""

import pickle
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from se_backbones.weights.errors import CheckpointError
from se_backbones.weights.kinds import HEAD, not_weights
from se_backbones.weights.stand_ins import Refused, only_stand_ins, resolve

# Where mmengine (also the averaged weights, with its EMAHook), most others, and BasicSR keep the tensors.
_NESTS = ('state_dict', 'model', 'params')
# safetensors' own limit of its header.
_MAX_HEADER = 100_000_000
_TENSORS_ONLY = (
    'A file that does so can run any code; it was not read. If you trust its source, save its tensors alone: python -c '
    '"import torch; c = torch.load(\'FILE\', weights_only=False, map_location=\'cpu\'); '
    'torch.save(c[\'state_dict\'], \'TENSORS.pth\')"')


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        state: The tensors by name; the ``module.`` that DataParallel puts before a name is taken off.
        meta: What was saved about them: a Runner's ``meta``, the metadata of safetensors, or nothing.
    """

    state: dict[str, Tensor]
    meta: dict


def read_checkpoint(path: str | Path, map_location: str | torch.device = 'cpu') -> Checkpoint:
    """Return the tensors of a file that ``torch.save`` (either format) or safetensors wrote, whatever its suffix.

    They are ``state_dict``, ``model`` or ``params`` of what was saved, or all of it if it maps names to tensors.
    Files are mapped into memory where their format allows it. Sizes that they claim are held against their own first.

    Args:
        path: Of the file; ``~`` is the home folder.
        map_location: The device.

    Raises:
        CheckpointError: There is no such file, it is none of these, it is damaged, it holds no tensors, or it would
            have to import something to be read. Nothing was imported or run.
    """
    path = Path(path).expanduser()
    kind = _kind(path)
    if kind == 'safetensors':
        return _read_safetensors(path, map_location)
    content = _read_torch(path, map_location, mapped=kind == 'zip')
    return Checkpoint(_state(content, path), _meta(content))


def _kind(path: Path) -> str:
    """Return ``'safetensors'``, ``'zip'`` (torch since 1.6) or ``'pickle'`` (torch before)."""
    if path.is_dir():
        raise CheckpointError(f'{path} is a folder; a checkpoint is a file in it.')
    try:
        size = path.stat().st_size
        with path.open('rb') as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise CheckpointError(f'{path} does not exist.') from None
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read: {error.strerror}.') from error
    if not head:
        raise CheckpointError(f'{path} is empty. Fetch it again.')
    if instead := not_weights(head):
        raise CheckpointError(f'{path} is {instead}, not a checkpoint. Fetch it again.')
    header = int.from_bytes(head[:8], 'little')
    if head[8:9] == b'{' or path.suffix == '.safetensors':
        if not 2 <= header <= min(size - 8, _MAX_HEADER):
            raise CheckpointError(f'{path} is damaged: it claims a header of {header} bytes and has {size}.')
        return 'safetensors'
    if head.startswith(b'PK'):
        _check_zip(path, size)
        return 'zip'
    if _is_tar(path):
        raise CheckpointError(f'{path} is a tar file. torch wrote such before 2017 and cannot read them safely: save '
                              'their tensors anew, or unpack it if it holds the checkpoint.')
    if head.startswith(b'\x80'):
        return 'pickle'
    raise CheckpointError(f'{path} is no checkpoint: it begins with {head[:8]!r}, like no file of torch.save or '
                          'safetensors.')


def _is_tar(path: Path) -> bool:
    # As torch tells: a tar file may begin like a pickle, and torch before 2.6 ran code of such files all the same.
    try:
        with tarfile.open(path, 'r:'):
            return True
    except tarfile.TarError:
        return False


def _check_zip(path: Path, size: int) -> None:
    """Hold what the archive claims against the size of the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f'{path} is cut short or damaged ({error}). Fetch it again.') from None
    if any(entry.filename.endswith('/constants.pkl') for entry in entries):
        raise CheckpointError(f'{path} is a TorchScript program, not a checkpoint; save the state_dict() of what '
                              'torch.jit.load returns.')
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f'{path} is a compressed archive, which torch.save never writes: unpack it if it holds '
                              'the checkpoint.')
    claimed = sum(entry.file_size for entry in entries)
    if claimed > size:
        raise CheckpointError(f'{path} is damaged: it claims to hold {claimed} bytes and has {size}.')


def _read_safetensors(path: Path, map_location: str | torch.device) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework='pt', device=str(map_location)) as file:
            state, meta = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    except Exception as error:
        raise CheckpointError(f'{path} is damaged ({_first_line(error)}). Fetch it again.') from error
    return Checkpoint(_state(state, path), meta or {})


def _read_torch(path: Path, map_location: str | torch.device, mapped: bool) -> Any:
    try:
        with only_stand_ins():
            return torch.load(path, map_location=map_location, weights_only=True, mmap=mapped)
    except Refused as error:
        raise CheckpointError(f'{path} {error}. {_TENSORS_ONLY}') from None
    except pickle.UnpicklingError as error:
        imported = re.search(r'GLOBAL (\S+) (?:was not an allowed|whose module)', str(error))
        if imported:
            raise CheckpointError(f'{path} wants to import {imported[1]}. {_TENSORS_ONLY}') from None
        raise CheckpointError(f'{path} is damaged, or was not written by torch.save ({_first_line(error)}).') from None
    except Exception as error:
        # A damaged pickle fails in as many ways as a program can.
        raise CheckpointError(f'{path} is damaged, or was not written by torch.save ({_first_line(error)}).') from error


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        raise CheckpointError(f'{path} holds {_a(content)}, not tensors by name.')
    nest = next((key for key in _NESTS if isinstance(content.get(key), Mapping)), None)
    items = content if nest is None else content[nest]
    # detach: a Parameter becomes the tensor that it is.
    state = {name.removeprefix('module.'): value.detach() for name, value in items.items()
             if isinstance(name, str) and isinstance(value, Tensor)}
    if not state:
        raise CheckpointError(f'{path} holds no tensors by name, {f"in its {nest!r}" if nest else "nor a state_dict"}; '
                              f'its keys are {", ".join(map(repr, list(content)[:8])) or "none"}.')
    return state


def _meta(content: Mapping) -> dict:
    meta = content.get('meta')
    return resolve(meta) if isinstance(meta, dict) else {}


def _a(value: Any) -> str:
    name = type(value).__name__
    return f'{"an" if name[0] in "aeiouAEIOU" else "a"} {name}'


def _first_line(error: Exception) -> str:
    """Return what happened, without torch's advice to load all the same."""
    text = str(error).rpartition('WeightsUnpickler error:')[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f'{type(error).__name__}: {lines[0]}' if lines else type(error).__name__

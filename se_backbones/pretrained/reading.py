"""Read a checkpoint file into tensors, without running code and without trusting its sizes."""

import io
import json
import mmap
import os
import pickle
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors
import torch
from torch import Tensor

from se_backbones.pretrained.errors import CheckpointError
from se_backbones.pretrained.file_kinds import HEAD, not_weights
from se_backbones.pretrained.pickles import UnsafePickleError, check_pickle
from se_backbones.pretrained.safe_globals import Refused, resolve, safe_globals
from se_backbones.utils.metadata import from_text, settings_only, unwrapped, with_metadata

# Where mmengine (also the averaged weights, with its EMAHook), most others, and BasicSR keep the tensors.
_NESTS = ('state_dict', 'model', 'params')
# torch before 1.6 writes five pickles, then the numbers.
_OLD_PICKLES = 5
# What torch.load obeys.
_FORCE, _FORCE_NOT = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
# What torch takes for an archive begins like this; so does every one of torch.save.
_ZIP = b'PK\x03\x04'
# The end record of an archive, which torch.save writes without a comment, and before it that of a large archive and
# where it lies. Of interest: entries, size and place of the directory.
_END, _PLACE, _LARGE_END = struct.Struct('<4s6xHIIH'), struct.Struct('<4s4xQ4x'), struct.Struct('<4s28xQQQ')
# safetensors' own limit of its header.
_MAX_HEADER = 100_000_000
# As often may tensors share the bytes of a file; what claims more would fill the memory when it is copied.
_SHARED = 16
_SPARE = 1 << 24
_TENSORS_ONLY = (
    'A file that does so can run any code; it was not read. If you trust its source, save its tensors alone: python -c '
    '"import torch; c = torch.load(\'FILE\', weights_only=False, map_location=\'cpu\'); '
    'torch.save(c[\'state_dict\'], \'TENSORS.pth\')"')


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        state: The tensors by name; what DataParallel and torch.compile put before a name is taken off. Its
            ``_metadata`` has the networks' settings, where we wrote the file.
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
    return Checkpoint(_state(content, path, map_location), _meta(content))


def read_all(path: str | Path, map_location: str | torch.device = 'cpu') -> dict[str, Any]:
    """Return all that a file holds, such as what a Runner needs to resume, under the rules of :func:`read_checkpoint`.

    Arrays and histories of losses are those of numpy and mmengine again. Nothing is mapped: a run may write over the
    file that it came from.

    Returns:
        The content, with the tensors under ``'state_dict'``, as :func:`read_checkpoint` returns them.

    Raises:
        CheckpointError: As :func:`read_checkpoint`.
    """
    path = Path(path).expanduser()
    if _kind(path) == 'safetensors':
        checkpoint = _read_safetensors(path, map_location)
        return dict(state_dict=checkpoint.state, meta=checkpoint.meta)
    content = _read_torch(path, map_location, mapped=False)
    state = _state(content, path, map_location)
    if not isinstance(content.get('state_dict'), Mapping):
        return dict(state_dict=state, meta=_meta(content))
    return {**resolve(content), 'state_dict': state}


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
    if head.startswith(_ZIP):
        _check_zip(path, size)
        return 'zip'
    if _is_tar(path):
        raise CheckpointError(f'{path} is a tar file. torch wrote such before 2017 and cannot read them safely: save '
                              'their tensors anew, or unpack it if it holds the checkpoint.')
    if head.startswith(b'\x80'):
        return 'pickle'
    raise CheckpointError(f'{path} is not a checkpoint: it begins with {head[:8]!r}, like no file of torch.save or '
                          'safetensors.')


def _is_tar(path: Path) -> bool:
    # As torch tells: a tar file may begin like a pickle, and torch before 2.6 ran code of such files all the same.
    try:
        with tarfile.open(path, 'r:'):
            return True
    except tarfile.TarError:
        return False


def _check_zip(path: Path, size: int) -> None:
    """Hold what the archive claims against the size of the file; what passes is the same for every reader of archives.

    Python looks for the directory right before the end record, torch where that record says.
    """
    try:
        recorded = _directory(path, size)
        with zipfile.ZipFile(path) as archive:
            entries, found = archive.infolist(), archive.start_dir
        if (len(entries), found) != recorded:
            raise ValueError(f'it records {recorded[0]} entries in a directory at byte {recorded[1]}; {len(entries)} '
                             f'are found at {found}')
        claimed = sum(entry.compress_size for entry in entries)
        if claimed > size:
            raise ValueError(f'it claims to hold {claimed} bytes and has {size}')
        records = torch._C.PyTorchFileReader(str(path)).get_all_records()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f'{path} is truncated or damaged ({error}). Fetch it again.') from None
    if 'constants.pkl' in records:
        raise CheckpointError(f'{path} is a TorchScript program, not a checkpoint; save the state_dict() of what '
                              'torch.jit.load returns.')
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f'{path} is a compressed archive, which torch.save never writes: unpack it if it holds '
                              'the checkpoint.')


def _directory(path: Path, size: int) -> tuple[int, int]:
    """Return how many entries the end record of an archive counts, and at which byte it says that they begin."""
    most = _END.size + _PLACE.size + _LARGE_END.size
    with path.open('rb') as file:
        file.seek(max(0, size - most))
        tail = file.read().rjust(most, b'\0')
    end = len(tail) - _END.size
    sign, count, length, start, comment = _END.unpack_from(tail, end)
    if sign != b'PK\5\6' or comment:
        raise ValueError('it does not end with the end record of an archive')
    place = end - _PLACE.size
    if tail[place:place + 4] == b'PK\6\7':
        end = place - _LARGE_END.size
        sign, count, length, start = _LARGE_END.unpack_from(tail, end)
        if sign != b'PK\6\6' or _PLACE.unpack_from(tail, place)[1] != size - len(tail) + end:
            raise ValueError('its end records disagree')
    if start + length != size - len(tail) + end:
        raise ValueError('its directory and its end record disagree')
    return count, start


def _read_safetensors(path: Path, map_location: str | torch.device) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework='pt', device=str(map_location)) as file:
            state, meta = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except Exception as error:
        raise CheckpointError(f'{path} is damaged ({_first_line(error)}). Fetch it again.') from error
    with suppress(KeyError, ValueError):  # others may write other text there
        meta = {**meta, 'dataset_meta': json.loads(meta['dataset_meta'])}
    return Checkpoint(_state(with_metadata(state, from_text(meta)), path, map_location), meta)


def _read_torch(path: Path, map_location: str | torch.device, mapped: bool) -> Any:
    try:
        for pickled in _pickles(path):
            check_pickle(pickled)
        with safe_globals():
            return torch.load(path, map_location=map_location, weights_only=True, mmap=mapped)
    except (Refused, UnsafePickleError) as error:
        raise CheckpointError(f'{path} {error}. {_TENSORS_ONLY}') from None
    except pickle.UnpicklingError as error:
        raise refusal(path, error) from None
    except Exception as error:
        # A damaged pickle fails in as many ways as a program can.
        raise CheckpointError(f'{path} is damaged, or was not written by torch.save ({_first_line(error)}).') from error


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file's pickles as torch.load finds them, to be read to their ends."""
    with path.open('rb') as file:
        if file.read(len(_ZIP)) == _ZIP:
            yield io.BytesIO(torch._C.PyTorchFileReader(str(path)).get_record('data.pkl'))
        else:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for _ in range(_OLD_PICKLES):
                    if content.tell() < len(content):
                        yield content


def refusal(name: str | Path, error: pickle.UnpicklingError) -> CheckpointError:
    """Return the error for a checkpoint that torch refuses to read, with what it wanted to import."""
    imported = re.search(r'GLOBAL (\S+) (?:was not an allowed|whose module)', str(error))
    if imported:
        return CheckpointError(f'{name} wants to import {imported[1]}. {_TENSORS_ONLY}')
    return CheckpointError(f'{name} is damaged, or was not written by torch.save ({_first_line(error)}).')


@contextmanager
def weights_only() -> Iterator[None]:
    """While it is open, ``torch.load`` reads with ``weights_only=True``, whoever calls it and whatever it is told."""
    before = {name: os.environ.pop(name, None) for name in (_FORCE, _FORCE_NOT)}
    os.environ[_FORCE] = '1'
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _state(content: Any, path: Path, map_location: str | torch.device) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        raise CheckpointError(f'{path} holds {_a(content)}, not tensors by name.')
    nest = next((key for key in _NESTS if isinstance(content.get(key), Mapping)), None)
    items = content if nest is None else content[nest]
    # detach: a Parameter becomes the tensor that it is.
    tensors = {name: value.detach() for name, value in items.items()
               if isinstance(name, str) and isinstance(value, Tensor)}
    state = with_metadata({unwrapped(name): value for name, value in tensors.items()},
                          settings_only(getattr(items, '_metadata', None)))
    if len(state) < len(tensors):
        raise CheckpointError(f'{path} holds some of its tensors with "module." before their names and without.')
    if not state:
        raise CheckpointError(f'{path} holds no tensors by name, {f"in its {nest!r}" if nest else "nor a state_dict"}; '
                              f'its keys are {", ".join(map(repr, list(content)[:8])) or "none"}.')
    _check_tensors(state, path, meta=str(map_location) == 'meta')
    return state


def _check_tensors(state: Mapping[str, Tensor], path: Path, meta: bool) -> None:
    """Refuse names that are not text, and tensors that would be larger in memory than the file is."""
    for name, value in state.items():
        if not name.isprintable():
            raise CheckpointError(f'{path} is damaged: it names a tensor {ascii(name)[:80]}.')
        plain = type(value) is Tensor and value.layout == torch.strided and value.is_meta == meta
        if not plain or value.is_quantized or (value.is_floating_point() and value.itemsize < 2):
            raise CheckpointError(f'{path} holds {name} as something else than plain numbers; save it as a dense '
                                  'tensor of floats of 16 bits or more, or of integers.')
    claimed, size = sum(value.nbytes for value in state.values()), path.stat().st_size
    if claimed > _SHARED * size + _SPARE:
        raise CheckpointError(f'{path} is damaged: its tensors claim {claimed} bytes and it has {size}.')


def _meta(content: Mapping) -> dict:
    meta = content.get('meta')
    return resolve(meta) if isinstance(meta, dict) else {}


def dataset_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return names and colours of the classes that a network was trained with, ``dict(classes=..., palette=...)``.

    Args:
        meta: Of a checkpoint; a part, or nothing, is returned where it does not have them.
    """
    # Releases of the hosts before 3.0 (mmpretrain 1.0) have them in meta itself, in capitals.
    saved = meta.get('dataset_meta')
    saved = saved if isinstance(saved, Mapping) else meta
    named = {key.lower(): value for key, value in saved.items() if isinstance(key, str)}
    return {key: named[key] for key in ('classes', 'palette') if isinstance(named.get(key), (list, tuple, np.ndarray))}


def _a(value: Any) -> str:
    name = type(value).__name__
    return f'{"an" if name[0] in "aeiouAEIOU" else "a"} {name}'


def _first_line(error: Exception) -> str:
    """Return what happened, without torch's advice to load all the same."""
    text = str(error).rpartition('WeightsUnpickler error:')[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f'{type(error).__name__}: {lines[0]}' if lines else type(error).__name__

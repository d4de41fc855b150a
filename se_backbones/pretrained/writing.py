"""Write tensors to a new file, atomically."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from se_backbones.pretrained.errors import CheckpointError
from se_backbones.utils import atomic
from se_backbones.utils.metadata import as_text, from_text, with_metadata

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = ('.pth', '.safetensors')


def write_checkpoint(state: 'Mapping[str, Tensor]', path: str | Path) -> Path:
    """Write tensors into a new ``.pth`` or ``.safetensors`` file: all of it or nothing.

    Raises:
        CheckpointError: The suffix is another one, the file is there already, or it cannot be written.
    """
    path = Path(path)
    check_writable(path)
    facts = as_text(state)
    state = with_metadata({key: _own(value) for key, value in state.items()}, from_text(facts))
    if path.suffix == '.pth':
        import torch
        return write_new(path, lambda part: torch.save(state, part))
    # Not save_file: its files can be read by their owner alone.
    return write_new(path, lambda part: part.write_bytes(safetensors_of(state, {'format': 'pt', **facts})))


def write_new(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Make a new file, all of it or nothing.

    Args:
        path: Of the file.
        write: Writes into the path that it is given.

    Raises:
        CheckpointError: The file is there already, or cannot be written.
    """
    path = Path(path)
    check_new(path)
    try:
        with atomic.writing(path) as part:
            write(part)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path} cannot be written: {error}') from error
    return path


def safetensors_of(state: 'Mapping[str, Tensor]', facts: Mapping[str, str]) -> bytes:
    """Return the content of a safetensors file, the same for the same tensors and facts, and so its hash.

    Args:
        state: The tensors by name.
        facts: The metadata; safetensors writes them in another order each time.
    """
    from safetensors.torch import save
    content = save(dict(state), metadata=dict(facts))
    length = int.from_bytes(content[:8], 'little')
    header = json.loads(content[8:8 + length])
    header['__metadata__'] = dict(sorted(facts.items()))
    text = json.dumps(header, ensure_ascii=False, separators=(',', ':')).encode()
    # Tensors begin at a multiple of eight bytes.
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + content[8 + length:]


def check_writable(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raise CheckpointError if a checkpoint cannot be written there; files are never overwritten."""
    if path.suffix not in suffixes:
        raise CheckpointError(f'{path} must end in {" or ".join(suffixes)}.')
    check_new(path)


def check_new(path: Path) -> None:
    """Raise CheckpointError if the file exists or its folder does not."""
    try:
        atomic.check_new(path)
    except OSError as error:
        raise CheckpointError(str(error)) from None


def _own(value: 'Tensor') -> 'Tensor':
    """Return the tensor in a storage of its own: a view would be saved with all that it is a view of."""
    value = value.contiguous()
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()

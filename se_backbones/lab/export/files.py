"""New files, all of each or nothing."""

from pathlib import Path

from se_backbones.lab.export.errors import ExportError
from se_backbones.utils.atomic import commit, partial


def new_file(path: str | Path, suffix: str) -> Path:
    """Return the path of a file that can be written.

    Raises:
        ExportError: It has another suffix, exists, or has no folder.
    """
    path = Path(path)
    if path.suffix != suffix:
        raise ExportError(f'{path} must end in {suffix}.')
    if path.exists():
        raise ExportError(f'{path} exists and is not written over; remove it or choose another name.')
    if not path.parent.is_dir():
        raise ExportError(f'There is no folder {path.parent}.')
    return path


def write_new(path: Path, data: bytes) -> None:
    """Write a file so that it is there with all its content or not at all."""
    new_file(path, path.suffix)
    Path(partial(path)).write_bytes(data)
    commit(path)

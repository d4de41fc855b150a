"""Fashion-MNIST as mmpretrain's ``FashionMNIST`` reads it: its four files unpacked, flat in one folder.

It is published as four ``.gz`` files (arXiv 1708.07747), which Debian's package ``dataset-fashion-mnist`` carries too.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

from se_backbones.datasets.expected import describe
from se_backbones.utils import atomic

# SHA-256 of the unpacked files. MNIST's have the same names and sizes.
FILES = {
    'train-images-idx3-ubyte': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'train-labels-idx1-ubyte': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    't10k-images-idx3-ubyte': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    't10k-labels-idx1-ubyte': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
}


def unpack_fashion_mnist(source: str | Path, data_root: str | Path) -> list[Path]:
    """Unpack the four files into ``data_root``; those that are there already stay as they are.

    Args:
        source: Folder that holds the four ``.gz`` files, itself or somewhere below, as a Debian package has them.
        data_root: Folder of the dataset in the configs, ``data/fashion_mnist``.

    Returns:
        The files that were written.

    Raises:
        FileNotFoundError: A file is not below ``source``.
        ValueError: A file, below ``source`` or in ``data_root``, is damaged or of another dataset.
    """
    source, root = Path(source), Path(data_root)
    present = [name for name in FILES if (root / name).exists()]
    for name in present:
        _check(root / name, (root / name).read_bytes(), FILES[name])
    found = {name: min(source.rglob(f'{name}.gz'), default=None) for name in FILES if name not in present}
    if missing := [f'{name}.gz' for name, path in found.items() if path is None]:
        raise FileNotFoundError(f'there is no {", ".join(missing)} in {source}. '
                                + describe(dict(type='FashionMNIST', data_root=str(root))))
    contents = {name: _unpacked(path, FILES[name]) for name, path in found.items()}
    root.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with atomic.writing(root / name) as unfinished:
            unfinished.write_bytes(content)
    return [root / name for name in contents]


def _unpacked(path: Path, sha256: str) -> bytes:
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f'{path} is damaged ({error}); get it again.') from None
    _check(path, content, sha256)
    return content


def _check(path: Path, content: bytes, sha256: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path} is damaged or not Fashion-MNIST's, which MNIST's files have the names of; remove it, "
                         'or give another folder.')

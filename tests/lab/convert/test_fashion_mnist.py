"""Fashion-MNIST is unpacked from a download or a Debian package, whole or not at all."""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.convert import fashion_mnist
from se_backbones.lab.convert.fashion_mnist import FILES, unpack_fashion_mnist

TOOL = Path(se_backbones.config_path()).parent / 'tools' / 'dataset_converters' / 'unpack_fashion_mnist.py'


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Small files of the right names in a folder as a Debian package has them, known by their digests."""
    contents = {name: f'{name} {number}'.encode() for number, name in enumerate(FILES)}
    monkeypatch.setattr(fashion_mnist, 'FILES', {name: hashlib.sha256(content).hexdigest()
                                                 for name, content in contents.items()})
    folder = tmp_path / 'deb' / 'usr' / 'share' / 'datasets' / 'fashion-mnist'
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / f'{name}.gz').write_bytes(gzip.compress(content))
    return folder, contents


@pytest.mark.parametrize('above', [0, 4])
def test_the_four_files_lie_flat_in_the_data_root(download, above, tmp_path):
    folder, contents = download
    source, root = [folder, *folder.parents][above], tmp_path / 'data'
    assert sorted(path.name for path in unpack_fashion_mnist(source, root)) == sorted(contents)
    assert {path.name: path.read_bytes() for path in root.iterdir()} == contents
    # What is there stays, and only what lacks is written.
    (root / 't10k-labels-idx1-ubyte').unlink()
    assert [path.name for path in unpack_fashion_mnist(source, root)] == ['t10k-labels-idx1-ubyte']
    assert unpack_fashion_mnist(source, root) == []


def test_nothing_is_written_where_one_file_is_damaged_missing_or_of_mnist(download, tmp_path):
    folder, contents = download
    last = folder / 't10k-labels-idx1-ubyte.gz'
    for content, message in ((gzip.compress(b'of MNIST'), "is damaged or not Fashion-MNIST's"),
                             (b'<html>', 'is damaged'), (last.read_bytes()[:-12], 'is damaged')):
        last.write_bytes(content)
        with pytest.raises(ValueError, match=f't10k-labels-idx1-ubyte.gz {message}'):
            unpack_fashion_mnist(folder, tmp_path / 'data')
    last.unlink()
    with pytest.raises(FileNotFoundError, match='there is no t10k-labels-idx1-ubyte.gz in'):
        unpack_fashion_mnist(folder, tmp_path / 'data')
    assert not (tmp_path / 'data').exists()


def test_a_file_of_another_data_set_is_not_replaced(download, tmp_path):
    root = tmp_path / 'data'
    root.mkdir()
    (root / 'train-images-idx3-ubyte').write_bytes(b'of MNIST')
    with pytest.raises(ValueError, match=f"{root}/train-images-idx3-ubyte is damaged or not Fashion-MNIST's"):
        unpack_fashion_mnist(download[0], root)
    assert [path.read_bytes() for path in root.iterdir()] == [b'of MNIST']


def test_the_tool_names_both_routes_in_one_line_and_fails(tmp_path):
    done = subprocess.run([sys.executable, TOOL, tmp_path, '--out', tmp_path / 'data'], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count('\n') == 1 and 'Traceback' not in done.stderr
    assert 'github.com/zalandoresearch/fashion-mnist' in done.stderr and 'dpkg -x dataset-fashion-mnist' in done.stderr

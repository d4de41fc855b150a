"""A file is there whole, as it was, or not at all; what exists is replaced only where that is meant."""

import errno
import os

import pytest

from se_backbones.utils import atomic


def test_an_error_while_writing_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / 'a.txt').write_text('old')
    with pytest.raises(RuntimeError), atomic.writing(tmp_path / 'a.txt') as part:
        part.write_text('ne')
        assert (tmp_path / 'a.txt').read_text() == 'old'
        raise RuntimeError
    assert (tmp_path / 'a.txt').read_text() == 'old' and os.listdir(tmp_path) == ['a.txt']


def test_a_complete_file_takes_its_name_and_replaces_the_old_one(tmp_path):
    for text in ('old', 'n\N{LATIN SMALL LETTER E WITH DIAERESIS}w'):
        atomic.write_text(tmp_path / 'a.txt', text)
        assert (tmp_path / 'a.txt').read_text(encoding='utf-8') == text
    with atomic.writing(tmp_path / 'b.mp4', suffix='.mp4') as part:
        assert part.name == 'b.mp4.partial.mp4'
        part.touch()
    assert sorted(os.listdir(tmp_path)) == ['a.txt', 'b.mp4']


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.txt'$"), atomic.writing(tmp_path / 'a.txt'):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match=r'a\.pth could not be written; its disk may be full'), \
            atomic.writing(tmp_path / 'a.pth'):
        raise RuntimeError('[enforce fail at inline_container.cc:672] . unexpected pos 213952 vs 213848')


def test_a_new_file_replaces_nothing(tmp_path):
    (tmp_path / 'a.txt').write_text('old')
    with pytest.raises(FileExistsError, match='a.txt exists and is not overwritten; remove it or choose another'), \
            atomic.writing(tmp_path / 'a.txt', new=True):
        pass
    assert (tmp_path / 'a.txt').read_text() == 'old'
    with pytest.raises(FileNotFoundError, match='There is no folder .*nowhere'):
        atomic.check_new(tmp_path / 'nowhere' / 'a.txt')

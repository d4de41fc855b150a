"""A made dataset appears whole or not at all, and replaces nothing of the user's."""

import json
import os
import stat

import pytest

from se_backbones.lab.digits import digit_scenes, make_digit_scenes, make_single_digits
from se_backbones.lab.made_folder import make_folder


def write_one_file(folder):
    (folder / 'train').mkdir()
    (folder / 'train/a.txt').write_text('a')
    return {'train': {'images': 1, 'digits': 1}}


def make(root, force=False, write=write_one_file, version=1, **parameters):
    return make_folder(root, 'toy', version, parameters or {'size': 1}, write, force)


def test_the_same_parameters_return_at_once(tmp_path):
    first = make(tmp_path / 'a')
    before = (tmp_path / 'a/train/a.txt').stat().st_mtime_ns
    again = make(tmp_path / 'a', write=lambda folder: pytest.fail('made again'))
    assert (first.made, again.made) == (True, False)
    assert again.counts == first.counts == {'train': {'images': 1, 'digits': 1}}
    assert (tmp_path / 'a/train/a.txt').stat().st_mtime_ns == before


def test_other_parameters_are_refused_and_named(tmp_path):
    make(tmp_path / 'a', size=1)
    with pytest.raises(FileExistsError, match=r'size=1 \(asked for: 2\).*--force'):
        make(tmp_path / 'a', size=2)
    with pytest.raises(FileExistsError, match=r'version=1 \(asked for: 2\)'):
        make(tmp_path / 'a', version=2, size=1)
    assert json.loads((tmp_path / 'a/toy.json').read_text())['parameters'] == {'size': 1}


def test_force_replaces_our_own_folder_only(tmp_path):
    make(tmp_path / 'a', size=1)
    assert make(tmp_path / 'a', force=True, size=2).made
    assert json.loads((tmp_path / 'a/toy.json').read_text())['parameters'] == {'size': 2}
    assert [path.name for path in tmp_path.iterdir()] == ['a']

    (tmp_path / 'users').mkdir()
    (tmp_path / 'users/work.txt').write_text('work')
    with pytest.raises(FileExistsError, match='not made by'):
        make(tmp_path / 'users', force=True)
    (tmp_path / 'users/toy.json').write_text('{"size": 1}')  # a file of the same name is no proof
    with pytest.raises(FileExistsError, match='not made by'):
        make(tmp_path / 'users', force=True)
    assert (tmp_path / 'users/work.txt').read_text() == 'work'


def test_force_spares_files_that_the_user_put_beside_ours(tmp_path):
    make(tmp_path / 'a', size=1)
    (tmp_path / 'a/train/notes.txt').write_text('mine')
    with pytest.raises(FileExistsError, match=r'1 files .* did not write, train/notes\.txt'):
        make(tmp_path / 'a', force=True, size=2)
    assert (tmp_path / 'a/train/notes.txt').read_text() == 'mine'
    assert not make(tmp_path / 'a', size=1).made  # the dataset itself is still usable


def test_missing_files_are_reported_and_force_mends_them(tmp_path):
    make(tmp_path / 'a')
    (tmp_path / 'a/train/a.txt').unlink()
    with pytest.raises(FileExistsError, match=r'1 files missing, train/a\.txt'):
        make(tmp_path / 'a')
    assert make(tmp_path / 'a', force=True).made
    assert (tmp_path / 'a/train/a.txt').is_file()


def test_a_file_or_a_broken_link_at_the_root_is_left_alone(tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(FileExistsError):
        make(tmp_path / 'file', force=True)
    assert (tmp_path / 'file').read_text() == 'mine'
    os.symlink(tmp_path / 'target', tmp_path / 'link')
    assert make(tmp_path / 'link').root == tmp_path / 'target'
    assert (tmp_path / 'link').is_symlink()


def test_an_empty_folder_is_filled_and_has_ordinary_permissions(tmp_path):
    (tmp_path / 'a').mkdir()
    expected = stat.S_IMODE((tmp_path / 'a').stat().st_mode)
    assert make(tmp_path / 'a').made
    assert stat.S_IMODE((tmp_path / 'a').stat().st_mode) == expected


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(digit_scenes, '_annotation', fail)
    with pytest.raises(error):
        make_digit_scenes(tmp_path / 'a', num_train=2, num_val=2)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_replacement_keeps_the_old_data_set(tmp_path):
    def fail(folder):
        write_one_file(folder)
        raise KeyboardInterrupt

    make(tmp_path / 'a', size=1)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / 'a', force=True, write=fail, size=2)
    assert not make(tmp_path / 'a', size=1).made
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_two_processes_may_make_the_same_data_set(tmp_path):
    def other_is_faster(folder):
        make(tmp_path / 'a')
        return write_one_file(folder)

    assert not make(tmp_path / 'a', write=other_is_faster).made
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_what_appears_at_the_root_meanwhile_is_not_overwritten(tmp_path):
    def user_is_faster(folder):
        (tmp_path / 'a').mkdir()
        (tmp_path / 'a/work.txt').write_text('work')
        return write_one_file(folder)

    with pytest.raises(FileExistsError):
        make(tmp_path / 'a', write=user_is_faster)
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['work.txt']


def test_the_two_kinds_do_not_replace_each_other(tmp_path):
    make_single_digits(tmp_path / 'a', size=8)
    with pytest.raises(FileExistsError, match='not made by make_digit_scenes'):
        make_digit_scenes(tmp_path / 'a', num_train=1, num_val=1, force=True)

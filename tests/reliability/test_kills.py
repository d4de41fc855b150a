"""kill -9 at random moments of a run with max_keep_ckpts=1: nothing that was saved is lost, and the resumed run is the
same run. `make reliability` kills fifty; the suite kills two, each with mmengine's hook beside ours."""

import os
import shutil
import subprocess
from collections import Counter

import pytest

OURS, THEIRS = 'se_backbones.CheckpointHook', 'CheckpointHook'

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='the runs are made by fork')


def test_a_run_killed_in_a_save_and_one_killed_anywhere_are_resumed_as_if_nothing_had_been(kills, tmp_path):
    results = kills.killed(tmp_path, kills.Setting(OURS, epochs=5), inside=1, anywhere=1)
    assert len(results) >= 2 and not [kill for kill in results if kill.lost]


@pytest.mark.slow
@pytest.mark.parametrize('hook', [OURS, THEIRS])
def test_fifty_kills(kills, tmp_path, hook, record_property):
    results = kills.killed(tmp_path, kills.Setting(hook), inside=30, anywhere=20)
    lost = [kill for kill in results if kill.lost]
    stages = Counter(kill.stage for kill in results)
    record_property('reliability', dict(
        what=f'kill -9 of a run that keeps one checkpoint, `{hook}`', tried=len(results), lost=len(lost),
        note=', '.join(f'{count} while {stage}' for stage, count in sorted(stages.items()))))
    assert sum(stages.values()) - stages['training'] >= 20
    if hook == OURS:
        assert not lost
    else:
        assert lost, "mmengine's hook loses nothing any more: this test cannot see a loss, or ours is not needed"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 40 MB: room for the last and the best checkpoint, but not for a third and a fourth."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', folder], capture_output=True).returncode:
        pytest.skip('only root can make a small file system')
    yield folder
    subprocess.run(['umount', folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize('trouble', ['full', 'read-only'])
def test_a_disk_in_trouble_stops_the_run_and_loses_nothing(kills, small_disk, tmp_path, trouble, record_property):
    whole = kills.reference(tmp_path / 'whole', kills.Setting(OURS))
    setting = kills.Setting(OURS, out_dir=small_disk)
    run = kills.Run(tmp_path / 'run', setting)
    while run.notes[0].saved < 8:
        assert run.running, 'the run ended too early'
    if trouble == 'full':
        (small_disk / 'filler').write_bytes(bytes(max(0, shutil.disk_usage(small_disk).free - 2**20)))
    else:
        # Refused while a file is being written: again, until it is between two saves.
        while subprocess.run(['mount', '-o', 'remount,ro', small_disk], capture_output=True).returncode:
            assert run.running, 'the run ended too early'
    assert not run.wait(), 'the run did not notice'
    assert 'CheckpointNotSavedError' in run.errors
    if trouble == 'full':
        (small_disk / 'filler').unlink()
    else:
        subprocess.run(['mount', '-o', 'remount,rw', small_disk], check=True)
    again = kills.Run(tmp_path / 'run', setting, resume=True)
    ended, first, done = again.wait(), again.first, run.notes[0].done
    lost = not ended or first < run.notes[0].saved or again.notes[0].losses[first:] != whole.losses[0][first:]
    record_property('reliability', dict(what=f'a disk that becomes {trouble} during a run', tried=1, lost=int(lost),
                                        note=f'stopped after {done} iterations, resumed from {first}'))
    assert done < setting.iterations and not lost

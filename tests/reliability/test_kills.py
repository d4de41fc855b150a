"""kill -9 at random moments of a run with max_keep_ckpts=1: nothing that was saved is lost, and the resumed run is the
same run. `make reliability` kills fifty; the suite kills two, each with mmengine's hook beside ours."""

import os
import random
import shutil
import subprocess
from collections import Counter

import pytest

OURS, THEIRS = 'se_backbones.CheckpointHook', 'CheckpointHook'

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='the runs are made by fork')


def killed(kills, tmp_path, hook, inside, anywhere):
    """Kill runs until ``inside`` of them died in a save, and ``anywhere`` more at any moment."""
    losses, seconds, save_seconds = kills.reference(tmp_path / 'whole', hook)
    draw, results = random.Random(0), []
    while sum(kill.stage != 'training' for kill in results) < inside or len(results) < inside + anywhere:
        assert len(results) < 5 * (inside + anywhere), 'the kills do not hit the saves'
        in_a_save = sum(kill.stage != 'training' for kill in results) < inside
        folder = tmp_path / 'run'
        results.append(kills.kill(folder, hook, in_a_save, losses, seconds, save_seconds, draw))
        shutil.rmtree(folder, ignore_errors=True)
    return results


def test_a_run_killed_in_a_save_and_one_killed_anywhere_are_resumed_as_if_nothing_had_been(kills, tmp_path):
    results = killed(kills, tmp_path, OURS, inside=1, anywhere=1)
    assert len(results) >= 2 and not [kill for kill in results if kill.lost]


@pytest.mark.slow
@pytest.mark.parametrize('hook', [OURS, THEIRS])
def test_fifty_kills(kills, tmp_path, hook, record_property):
    results = killed(kills, tmp_path, hook, inside=30, anywhere=20)
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
    losses, _, _ = kills.reference(tmp_path / 'whole', OURS)
    notes = kills.Notes()
    child = kills.start(tmp_path / 'run', OURS, False, notes, small_disk)
    while notes.saved < 8:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), 'the run ended too early'
    if trouble == 'full':
        (small_disk / 'filler').write_bytes(bytes(max(0, shutil.disk_usage(small_disk).free - 2**20)))
    else:
        # Refused while a file is being written: again, until it is between two saves.
        while subprocess.run(['mount', '-o', 'remount,ro', small_disk], capture_output=True).returncode:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), 'the run ended too early'
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1, 'the run did not notice'
    if trouble == 'full':
        (small_disk / 'filler').unlink()
    else:
        subprocess.run(['mount', '-o', 'remount,rw', small_disk], check=True)
    after = kills.Notes()
    status = os.waitpid(kills.start(tmp_path / 'run', OURS, True, after, small_disk), 0)[1]
    first = next((k for k, loss in enumerate(after.losses) if loss == loss), kills.ITERATIONS)
    lost = status != 0 or first < notes.saved or after.losses[first:] != losses[first:]
    record_property('reliability', dict(what=f'a disk that becomes {trouble} during a run', tried=1, lost=int(lost),
                                        note=f'stopped after {notes.done} iterations, resumed from {first}'))
    assert notes.done < kills.ITERATIONS and not lost

"""What runs at the same time: data-loader workers, ranks, and two trainings that were given the same folder.
`make reliability` tries each many times; the suite tries each once."""

import os

import pytest

HOOK = 'se_backbones.CheckpointHook'
SETTINGS = {'four data-loader workers': dict(workers=4), 'two ranks': dict(ranks=2)}

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='the runs are made by fork')


@pytest.mark.parametrize('setting', SETTINGS.values(), ids=SETTINGS)
def test_a_run_of_several_processes_that_is_killed_is_resumed_as_if_nothing_had_been(kills, apart, tmp_path, setting):
    """At once: what is left of its workers does not keep the folder."""
    results = apart(kills.killed, tmp_path, kills.Setting(HOOK, epochs=3, **setting), inside=1, anywhere=0)
    assert results and not [kill for kill in results if kill.lost]


@pytest.mark.slow
@pytest.mark.parametrize('name', SETTINGS)
def test_twenty_kills_of_several_processes(kills, apart, tmp_path, name, record_property):
    results = apart(kills.killed, tmp_path, kills.Setting(HOOK, **SETTINGS[name]), inside=10, anywhere=10)
    lost = [kill for kill in results if kill.lost]
    saves = sum(kill.stage != 'training' for kill in results)
    record_property('reliability', dict(what=f'kill -9 of a run with {name}', tried=len(results), lost=len(lost),
                                        note=f'{saves} of them in a save; resumed at once, with the same losses'))
    assert not lost


def test_a_second_training_in_the_folder_of_one_that_runs_is_refused(kills, apart, tmp_path):
    errors, untouched = apart(kills.second_trainings, tmp_path, kills.Setting(HOOK), 1)
    assert 'FolderInUseError' in errors[0] and 'is in use by another training (process' in errors[0] and untouched


@pytest.mark.slow
def test_twenty_second_trainings(kills, apart, tmp_path, record_property):
    errors, untouched = apart(kills.second_trainings, tmp_path, kills.Setting(HOOK), 20)
    lost = sum('is in use by another training (process' not in text for text in errors) + (not untouched)
    record_property('reliability', dict(
        what='a second training in the folder of one that runs', tried=len(errors), lost=lost,
        note='each was refused before its first iteration; the first one had the losses of a run that was alone'))
    assert not lost

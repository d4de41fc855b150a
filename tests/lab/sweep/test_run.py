"""What is done is skipped, kills lose nothing that was done, failures do not stop the others."""

import json
import os
import signal
import subprocess
import time

import pytest

from se_backbones.engine.preflight import ConfigProblem
from se_backbones.lab.sweep import read_matrix, run_all
from se_backbones.lab.sweep.plan import digest
from se_backbones.lab.sweep.run import OutdatedResultError, train

ENDLESS = """
_base_ = './se.py'
train_cfg = dict(max_epochs={epochs}, val_interval={epochs})
default_hooks = dict(checkpoint=dict(interval=1))
"""
BROKEN = """
_base_ = './se.py'
model = dict(head=dict(in_channels=7))
"""


def finish(run, **other):
    run.folder.mkdir(parents=True)
    result = dict(digest=digest(run.settings()), config=run.config.name, seed=run.seed, metrics={'accuracy/top1': 50.0},
                  parameters=10, seconds=1.0)
    (run.folder / 'result.json').write_text(json.dumps({**result, **other}))


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.05)


def test_a_run_reports_its_last_validation_its_parameters_and_its_time(configs, tmp_path):
    run, = read_matrix([configs / 'plain.py']).runs([0], tmp_path)
    result = train(run)
    assert 0 <= result['metrics']['accuracy/top1'] <= 100 and result['seconds'] > 0
    # Stem 3 -> 2, bottleneck 2 -> 2 -> 2 -> 8 with a projection, each with a norm, and the classifier.
    stem, head = 3 * 2 * 49 + 4, 8 * 10 + 10
    assert result['parameters'] == stem + (2 * 2 + 4) + (2 * 2 * 9 + 4) + 2 * (2 * 8 + 16) + head


def test_what_is_done_is_not_trained_again(configs, tmp_path):
    runs = read_matrix([configs / 'matrix.toml']).runs([0], tmp_path)
    for run in runs:
        finish(run)
    assert [(outcome.new, outcome.result['config']) for outcome in run_all(runs)] == [(False, 'plain.py'),
                                                                                      (False, 'se.py')]


def test_a_result_of_other_settings_is_refused_before_anything_is_trained(configs, tmp_path):
    runs = read_matrix([configs / 'matrix.toml']).runs([0], tmp_path)
    finish(runs[1])
    (configs / 'se.py').write_text((configs / 'se.py').read_text().replace('ratio=4', 'ratio=2'))
    with pytest.raises(OutdatedResultError, match=r'se/seed_0/result.json is of other settings than .*se.py has now'):
        next(run_all(runs))
    assert not runs[0].folder.exists()


def test_missing_data_is_said_before_anything_is_trained(configs, tmp_path):
    (configs / 'se.py').write_text("_base_ = './plain.py'\n"
                                   "train_dataloader = dict(dataset=dict(data_root='/nowhere'))\n")
    runs = read_matrix([configs / 'matrix.toml']).runs([0], tmp_path)
    with pytest.raises(ConfigProblem, match='/nowhere'):
        next(run_all(runs))
    assert not runs[0].folder.exists()


@pytest.mark.slow
def test_a_killed_matrix_goes_on_where_it_was(configs, command, tmp_path):
    out = tmp_path / 'out'
    (configs / 'endless.py').write_text(ENDLESS.format(epochs=10**6))
    (configs / 'broken.py').write_text(BROKEN)
    files = [configs / f'{name}.py' for name in ('plain', 'broken', 'endless')]
    matrix = command(*files, '--seeds', 1, '--out-dir', out)
    first = subprocess.Popen(matrix, stdout=subprocess.PIPE, text=True)
    work = out / 'endless' / 'seed_0'
    try:
        wait_for((work / 'last_checkpoint').exists)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert 'broken, seed 0: RuntimeError' in first.stdout.read()
    # A run whose matrix was killed would train on beside the next one.
    wait_for(lambda: is_still(work / 'log.txt'), 10)
    done = out / 'plain' / 'seed_0' / 'result.json'
    before = done.stat().st_mtime_ns
    epoch = int((work / 'last_checkpoint').read_text().rpartition('_')[2].partition('.')[0])
    (configs / 'endless.py').write_text(ENDLESS.format(epochs=epoch + 1))
    again = subprocess.run(matrix, capture_output=True, text=True)
    assert '[3/3] endless, seed 0: accuracy/top1' in again.stdout and '[1/3]' not in again.stdout
    assert f'resumed epoch: {epoch}' in (work / 'log.txt').read_text()
    assert json.loads((work / 'result.json').read_text())['seconds'] is None
    assert done.stat().st_mtime_ns == before
    assert again.returncode == 1 and '1 of 3 runs failed:\nbroken, seed 0: RuntimeError' in again.stderr
    assert set(json.loads((out / 'matrix.json').read_text())['configs']) == {'plain.py', 'endless.py'}
    assert '| endless |' in (out / 'matrix.md').read_text() and (out / 'matrix.png').exists()


def is_still(file):
    before = file.stat().st_size
    time.sleep(0.5)
    return file.stat().st_size == before

"""A sweep skips what is done and loses nothing to kills; its tables are worked out by hand; wrong lists are refused."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from PIL import Image

import se_backbones
from helpers import write_class_folders, write_tiny_classifier
from se_backbones.engine.preflight import ConfigProblem
from se_backbones.lab.analysis.curves import read_validation
from se_backbones.lab.sweep import DIGEST, Run, plot, read_sweep, summarise, to_markdown, train, train_all

TOOL = Path(se_backbones.config_path()).parent / 'tools' / 'analysis_tools' / 'run_matrix.py'
SE = """
_base_ = './plain.py'
model = dict(backbone=dict(context=dict(op=dict(type='SqueezeExcite', ratio=4))))
"""
LIST = """
what = 'top-1'
metric = 'accuracy/top1'
baseline = 'plain.py'
[[table]]
name = 'Operators'
rows = [{row = 'none', config = 'plain.py'}, {row = 'SE, ratio 4', config = 'se.py'}]
[[table]]
name = 'Again'
rows = [{row = 'SE', config = 'se.py'}]
"""


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp('data'))


@pytest.fixture
def configs(tmp_path, digits):
    """A folder with plain.py, se.py and matrix.toml, which lists both."""
    folder = tmp_path / 'configs'
    folder.mkdir()
    write_tiny_classifier(folder / 'plain.py', digits)
    (folder / 'se.py').write_text(SE)
    (folder / 'matrix.toml').write_text(LIST)
    return folder


# What is trained.

ROWS = "[[table]]\nname = 'A'\nrows = [{row = 'a', config = 'plain.py'}]\n"


def test_a_list_names_the_tables_and_each_config_is_trained_once(configs, tmp_path):
    matrix = read_sweep([configs / 'matrix.toml'])
    assert [table['name'] for table in matrix.tables] == ['Operators', 'Again']
    assert matrix.tables[0]['rows'][1] == dict(row='SE, ratio 4', config='se.py')
    runs = matrix.runs(range(2), tmp_path)
    # Seed by seed: where it is cut short, each config has as many seeds as any other.
    assert [(run.config.stem, run.seed) for run in runs] == [('plain', 0), ('se', 0), ('plain', 1), ('se', 1)]
    assert runs[3].folder == tmp_path / 'se' / 'seed_1'


def test_of_config_files_the_first_is_the_baseline(configs):
    matrix = read_sweep([configs / 'se.py', configs / 'plain.py'])
    assert matrix.baseline == 'se.py' and list(matrix.configs.values()) == [configs / 'se.py', configs / 'plain.py']


def test_a_run_whose_loss_is_no_number_has_no_result(configs, tmp_path):
    """As in `se-backbones train`; its network finds one class in all images, which would be a row of the table."""
    run = Run(configs / 'plain.py', 0, tmp_path / 'run', {'optim_wrapper.optimizer.lr': 1e30})
    with pytest.raises(SystemExit, match='^error: The loss is (nan|inf) at iteration'):
        train(run)


def test_checkpoints_that_go_elsewhere_are_in_folders_of_their_own(configs, tmp_path):
    """mmengine adds the last part of the work dir, which is the seed alone."""
    runs = read_sweep([configs / 'plain.py', configs / 'se.py']).runs([0], tmp_path / 'runs', {
        'train_cfg.max_epochs': 1, 'default_hooks.checkpoint': dict(
            type='CheckpointHook', interval=1, out_dir=str(tmp_path / 'elsewhere'))})
    for run in runs:
        train(run)
    assert sorted(map(str, (tmp_path / 'elsewhere').rglob('*.pth'))) == [
        f'{tmp_path}/elsewhere/{name}/seed_0/epoch_1.pth' for name in ('plain', 'se')]


def test_a_checkpoint_runs_no_code_in_a_sweep(configs, tmp_path):
    class Code:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)
    torch.save(dict(state_dict={}, meta=Code()), tmp_path / 'code.pth')
    with pytest.raises(SystemExit, match=r'^error: .*code\.pth'):
        train(Run(configs / 'plain.py', 0, tmp_path / 'run', dict(load_from=str(tmp_path / 'code.pth'))))
    assert not (tmp_path / 'ran').exists()


def test_results_of_all_seeds_belong_to_the_same_settings(configs, tmp_path):
    run, other = read_sweep([configs / 'se.py']).runs([3, 4], tmp_path, {'train_cfg.max_epochs': 9})
    assert run.settings().train_cfg.max_epochs == 9 and run.digest() == other.digest()
    assert run.digest() != read_sweep([configs / 'se.py']).runs([3], tmp_path)[0].digest()


@pytest.mark.parametrize(('text', 'message'), [
    (ROWS, 'lacks baseline'),
    ("baseline = 'plain.py'", 'lacks table'),
    (f"baseline = 'se.py'\n{ROWS}", 'the baseline .*se.py is in no table'),
    (f"baseline = 'plain.py'\nmetrik = 'x'\n{ROWS}", "no option 'metrik'.*Did you mean 'metric'"),
    ("baseline = 'plain.py'\n[[table]]\nname = 'A'\nrows = [{config = 'plain.py'}]", "rows of {row = .*'row'"),
])
def test_a_wrong_list_is_refused(configs, text, message):
    (configs / 'wrong.toml').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sweep([configs / 'wrong.toml'])


def test_configs_that_are_absent_or_of_one_name_are_refused(configs, tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no config file .*none.py'):
        read_sweep([configs / 'none.py'])
    with pytest.raises(FileNotFoundError, match='There is no list .*none.toml'):
        read_sweep([configs / 'none.toml'])
    (tmp_path / 'se.py').write_text((configs / 'se.py').read_text())
    with pytest.raises(ValueError, match='configs need different names'):
        read_sweep([configs / 'se.py', tmp_path / 'se.py'])
    with pytest.raises(ValueError, match='must be the only argument'):
        read_sweep([configs / 'matrix.toml', configs / 'se.py'])


# How it is trained.

ENDLESS = """
_base_ = './se.py'
train_cfg = dict(max_epochs={epochs}, val_interval={epochs})
default_hooks = dict(checkpoint=dict(interval=1))
"""
BROKEN = """
_base_ = './se.py'
load_from = '/nowhere/a.pth'
"""


def finish(run, value=50.0, **other):
    run.folder.mkdir(parents=True)
    result = dict(digest=run.digest(), config=run.config.name, seed=run.seed,
                  metrics={'accuracy/top1': value, 'accuracy/top5': 99.0}, parameters=1234567, multiply_adds=20185280,
                  seconds=12.5)
    (run.folder / 'result.json').write_text(json.dumps({**result, **other}))


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.05)


def test_a_run_reports_its_last_validation_its_parameters_and_its_time(configs, tmp_path):
    with open(configs / 'plain.py', 'a') as file:
        file.write('default_hooks = dict(checkpoint=dict(interval=1))\n')
    run, = read_sweep([configs / 'plain.py']).runs([3], tmp_path)
    result = train(run)
    validated = read_validation(run.folder)['accuracy/top1'].values
    assert result['metrics']['accuracy/top1'] == validated[-1] and result['seconds'] > 0
    assert Config.fromfile(tmp_path / 'plain' / 'seed_3' / 'plain.py').randomness['seed'] == 3
    # Our hook's checkpoint: an interrupted run goes on with the same draws.
    assert torch.load((run.folder / 'last_checkpoint').read_text(), weights_only=False)['random_state']['iter'] > 0
    # Stem 3 -> 2, bottleneck 2 -> 2 -> 2 -> 8 with a projection, each with a norm, and the classifier.
    stem, head = 3 * 2 * 49 + 4, 8 * 10 + 10
    assert result['parameters'] == stem + (2 * 2 + 4) + (2 * 2 * 9 + 4) + 2 * (2 * 8 + 16) + head


def test_a_run_that_was_killed_after_its_last_checkpoint_is_validated_again(configs, tmp_path):
    run, = read_sweep([configs / 'plain.py']).runs([3], tmp_path)
    with open(configs / 'plain.py', 'a') as file:
        file.write('default_hooks = dict(checkpoint=dict(interval=1))\n')
    first, again = train(run), train(run)
    assert again['metrics'] == first['metrics'] and again['seconds'] is None


def test_what_is_done_is_not_trained_again(configs, tmp_path):
    runs = read_sweep([configs / 'matrix.toml']).runs([0], tmp_path)
    for run in runs:
        finish(run)
    assert list(train_all(runs)) == []


def test_a_result_of_other_settings_is_refused_before_anything_is_trained(configs, tmp_path):
    runs = read_sweep([configs / 'matrix.toml']).runs([0], tmp_path)
    finish(runs[1])
    (configs / 'se.py').write_text((configs / 'se.py').read_text().replace('ratio=4', 'ratio=2'))
    with pytest.raises(ValueError, match=r'se/seed_0 was made with other settings than .*se.py has now'):
        next(train_all(runs))
    assert not runs[0].folder.exists()


def test_a_run_that_began_with_other_settings_does_not_go_on(configs, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, 'result', lambda self: None)  # as if each had been cut short
    sweep = read_sweep([configs / 'se.py'])
    begun = sweep.runs([0], tmp_path, {'train_cfg.max_epochs': 1})
    list(train_all(begun))
    with pytest.raises(ValueError, match=r'se/seed_0 was made with other settings than .*se.py has now'):
        next(train_all(sweep.runs([0], tmp_path, {'train_cfg.max_epochs': 2})))


def test_missing_data_is_said_before_anything_is_trained(configs, tmp_path):
    (configs / 'se.py').write_text("_base_ = './plain.py'\n"
                                   "train_dataloader = dict(dataset=dict(data_root='/nowhere'))\n")
    runs = read_sweep([configs / 'matrix.toml']).runs([0], tmp_path)
    with pytest.raises(ConfigProblem, match=r'The data of this config is not there:(.|\n)*/nowhere'):
        next(train_all(runs))
    assert not runs[0].folder.exists()


@pytest.mark.slow
def test_a_killed_matrix_goes_on_where_it_was(configs, tmp_path):
    out = tmp_path / 'out'
    (configs / 'endless.py').write_text(ENDLESS.format(epochs=10**6))
    (configs / 'broken.py').write_text(BROKEN)
    files = [configs / f'{name}.py' for name in ('plain', 'broken', 'endless')]
    matrix = [sys.executable, '-W', 'ignore', TOOL, *files, '--seeds', '1', '--out-dir', out]
    first = subprocess.Popen(matrix, stdout=subprocess.PIPE, text=True)
    work = out / 'endless' / 'seed_0'
    try:
        wait_for((work / 'last_checkpoint').exists)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert re.search('broken, seed 0: .*/nowhere/a.pth', first.stdout.read())
    # A run whose matrix was killed would train on beside the next one.
    wait_for(lambda: is_still(work / 'log.txt'), 10)
    done = out / 'plain' / 'seed_0' / 'result.json'
    before = done.stat().st_mtime_ns
    epoch = int((work / 'last_checkpoint').read_text().rpartition('_')[2].partition('.')[0])
    (configs / 'endless.py').write_text(ENDLESS.format(epochs=epoch + 1))
    (work / DIGEST).unlink()  # or the other number of epochs would be refused
    again = subprocess.run(matrix, capture_output=True, text=True)
    assert '[3/3] endless, seed 0: accuracy/top1' in again.stdout and '[1/3]' not in again.stdout
    assert f'resumed epoch: {epoch}' in (work / 'log.txt').read_text()
    assert json.loads((work / 'result.json').read_text())['seconds'] is None
    assert done.stat().st_mtime_ns == before
    assert again.returncode == 1 and re.search('1 of 3 runs failed:\nbroken, seed 0: .*/nowhere/a.pth', again.stderr)
    assert set(json.loads((out / 'matrix.json').read_text())['configs']) == {'plain.py', 'endless.py'}
    assert '| endless |' in (out / 'matrix.md').read_text() and (out / 'matrix.png').exists()


def is_still(file):
    before = file.stat().st_size
    time.sleep(0.5)
    return file.stat().st_size == before


# What it shows.

@pytest.fixture
def matrix(configs):
    return read_sweep([configs / 'matrix.toml'])


def done(matrix, out, plain, se, **other):
    runs = matrix.runs(range(3), out)
    for run in runs:
        values = plain if run.config.stem == 'plain' else se
        if run.seed < len(values):
            finish(run, values[run.seed], **other)
    return summarise(matrix, runs)


def test_means_deviations_and_the_error_of_the_difference(matrix, tmp_path):
    plain, se = done(matrix, tmp_path, [80.0, 82.0, 84.0], [85.0, 85.0, 88.0])['configs'].values()
    assert (plain['mean'], plain['std'], plain['difference'], plain['error']) == (82.0, 2.0, None, None)
    assert se['mean'] == 86.0 and se['std'] == pytest.approx(math.sqrt(3)) and se['difference'] == 4.0
    assert se['error'] == pytest.approx(math.sqrt(4 / 3 + 3 / 3))


def test_the_table_in_markdown(matrix, tmp_path):
    text = to_markdown(done(matrix, tmp_path, [80.0, 82.0, 84.0], [85.0, 85.0, 88.0]), '../configs')
    assert '### Operators\n\n| | config | parameters | multiply-adds | top-1 | difference | seeds |' in text
    assert '| none | [plain](../configs/plain.py) | 1,234,567 | 20.19 M | 82.00 ± 2.00 |  | 3 |' in text
    assert '| SE | [se](../configs/se.py) | 1,234,567 | 20.19 M | 86.00 ± 1.73 | +4.00 ± 1.53 | 3 |' in text


def test_a_single_seed_has_no_deviation_and_a_config_without_results_no_row(matrix, tmp_path):
    data = done(matrix, tmp_path, [80.0], [])
    text = to_markdown(data)
    assert '| none | plain | 1,234,567 | 20.19 M | 80.00 |  | 1 |' in text and 'SE' not in text
    assert data['configs'].keys() == {'plain.py'}
    assert summarise(matrix, matrix.runs(range(3), tmp_path / 'empty')) is None


def test_paired_runs_differ_by_what_each_seed_differs_by(configs, tmp_path):
    (configs / 'matrix.toml').write_text('paired = true\n' + LIST)
    paired = read_sweep([configs / 'matrix.toml'])
    # Seeds scatter by 20 points and the differences, 1, 2 and 3, by 1; the third seed of SE alone is no pair.
    data = done(paired, tmp_path, [70.0, 80.0, 90.0], [71.0, 82.0, 93.0])
    se = data['configs']['se.py']
    assert (se['difference'], se['error']) == (2.0, pytest.approx(1 / math.sqrt(3)))
    data = done(paired, tmp_path / 'less', [70.0, 80.0], [71.0, 82.0, 93.0])
    assert data['configs']['se.py']['difference'] == 1.5 and data['configs']['se.py']['seeds'] == [0, 1, 2]
    for shown in (data, done(paired, tmp_path / 'begun', [70.0], [])):  # the baseline alone too
        assert plot(shown, tmp_path / 'paired.png').exists()
    # Results belong to the start as well: of its own, or the baseline's.
    alone, = (run for run in read_sweep([configs / 'se.py']).runs([0], tmp_path))
    plain, se = paired.runs([0], tmp_path)
    assert se.digest() != alone.digest() and plain.digest() == read_sweep([configs / 'plain.py']).runs([0], tmp_path)[
        0].digest()


@pytest.mark.parametrize(('line', 'error'), [
    ("load_from = 'epoch_1.pth'", r"se\.py: load_from is 'epoch_1.pth', and None in .*plain\.py"),
    ("model = dict(init_cfg=dict(type='Pretrained', checkpoint='epoch_1.pth'))",
     r'se\.py: model.init_cfg.checkpoint loads weights')])
def test_networks_that_load_other_weights_than_the_baseline_are_not_paired(configs, tmp_path, line, error):
    (configs / 'matrix.toml').write_text('paired = true\n' + LIST)
    (configs / 'se.py').write_text(f"_base_ = './plain.py'\n{line}\n")
    with pytest.raises(ValueError, match=error):
        next(train_all(read_sweep([configs / 'matrix.toml']).runs([0], tmp_path)))


def test_the_page_has_the_tables_in_their_place(configs, tmp_path):
    matrix = read_sweep([configs / 'matrix.toml'])
    page, out = tmp_path / 'page.md', tmp_path / 'out'
    done(matrix, out, [80.0], [81.0])
    command = [sys.executable, '-W', 'ignore', TOOL, configs / 'matrix.toml', '--seeds', '1', '--only-table',
               '--out-dir', out, '--page', page]
    page.write_text('Before.\n')
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1 and "page.md must have the lines '<!-- configs/matrix: made by" in refused.stderr
    page.write_text('Before.\n<!-- configs/matrix: made by se-backbones analyse sweep -->\nold\n'
                    '<!-- end of configs/matrix -->\nAfter.\n')
    for _ in range(2):  # the second time changes nothing
        subprocess.run(command, check=True, capture_output=True)
        text = page.read_text()
        assert text.startswith('Before.\n<!--') and text.endswith('-->\nAfter.\n') and 'old' not in text
        assert text.count((out / 'matrix.md').read_text()) == 1


def test_a_dot_of_paired_runs_is_the_difference_of_a_seed(configs, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr('se_backbones.lab.sweep.save', lambda figure, file, replace: figures.append(figure))
    (configs / 'matrix.toml').write_text('paired = true\n' + LIST)
    plot(done(read_sweep([configs / 'matrix.toml']), tmp_path, [70.0, 80.0], [71.0, 82.0, 93.0]), 'a.png')
    drawn = {line.get_label(): list(line.get_xdata()) for line in figures[0].axes[0].get_lines()}
    assert drawn['one seed'] == [1.0, 2.0] and drawn['mean ± std error'] == [1.5, 1.5] and drawn['baseline'] == [0, 0]


def test_a_metric_that_was_not_logged_is_refused_with_those_that_were(configs, tmp_path):
    (configs / 'matrix.toml').write_text((configs / 'matrix.toml').read_text().replace('top1', 'top2'))
    with pytest.raises(ValueError, match="'accuracy/top2' is not among what the runs logged: accuracy/top1, acc"):
        done(read_sweep([configs / 'matrix.toml']), tmp_path, [80.0], [81.0])


def test_a_metric_that_one_run_did_not_log_is_refused_with_its_name(matrix, tmp_path):
    finish(matrix.runs([1], tmp_path)[1], metrics={'accuracy/top5': 1.0})
    with pytest.raises(ValueError, match="se.py did not log 'accuracy/top1', as others did, but accuracy/top5"):
        done(matrix, tmp_path, [80.0], [])


def test_the_picture_has_a_panel_for_each_table(matrix, tmp_path):
    file = plot(done(matrix, tmp_path, [80.0, 82.0], [85.0, 86.0]), tmp_path / 'm.png')
    with Image.open(file) as image:
        assert image.width > 1.5 * image.height  # two panels side by side


def test_the_panels_share_a_scale_that_holds_every_seed(matrix, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr('se_backbones.lab.sweep.save', lambda figure, file, replace: figures.append(figure))
    data = done(matrix, tmp_path, [80.0, 82.0], [85.0, 86.0, 20.0])
    data['tables'] = [dict(name=name, rows=[dict(row=name, config=name)]) for name in data['configs']]
    plot(data, 'a.png')
    limits = {axis.get_xlim() for axis in figures[0].axes}
    assert len(limits) == 1 and limits.pop()[0] < 20.0 < 86.0 < figures[0].axes[0].get_xlim()[1]

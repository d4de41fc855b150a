"""Means, standard deviations and differences against numbers worked out by hand; pictures of what is there."""

import json
import math

import pytest
from PIL import Image

from se_backbones.lab.sweep import read_matrix, summarise, to_markdown
from se_backbones.lab.sweep.picture import plot
from se_backbones.lab.sweep.table import as_data, from_data


def finish(run, value, **other):
    run.folder.mkdir(parents=True)
    result = dict(digest='', config=run.config.name, seed=run.seed,
                  metrics={'accuracy/top1': value, 'accuracy/top5': 99.0}, parameters=1234567, seconds=12.5)
    (run.folder / 'result.json').write_text(json.dumps({**result, **other}))


@pytest.fixture
def matrix(configs):
    return read_matrix([configs / 'matrix.toml'])


def done(matrix, out, plain, se, **other):
    runs = matrix.runs(range(3), out)
    for run in runs:
        values = plain if run.config.stem == 'plain' else se
        if run.seed < len(values):
            finish(run, values[run.seed], **other)
    return summarise(matrix, runs)


def test_means_deviations_and_the_error_of_the_difference(matrix, tmp_path):
    plain, se = done(matrix, tmp_path, [80.0, 82.0, 84.0], [85.0, 85.0, 88.0]).values()
    assert (plain.mean, plain.std, plain.difference) == (82.0, 2.0, None)
    assert se.mean == 86.0 and se.std == pytest.approx(math.sqrt(3)) and se.difference == 4.0
    assert se.error == pytest.approx(math.sqrt(4 / 3 + 3 / 3))


def test_the_table_in_markdown(matrix, tmp_path):
    text = to_markdown(matrix, done(matrix, tmp_path, [80.0, 82.0, 84.0], [85.0, 85.0, 88.0]), '../configs')
    assert '### Operators\n\n| | config | parameters | top-1 | difference | seeds | seconds |' in text
    assert '| none | [plain](../configs/plain.py) | 1,234,567 | 82.00 ± 2.00 |  | 3 | 12 |' in text
    assert '| SE | [se](../configs/se.py) | 1,234,567 | 86.00 ± 1.73 | +4.00 ± 1.53 | 3 | 12 |' in text


def test_a_single_seed_has_no_deviation_and_a_config_without_results_no_row(matrix, tmp_path):
    summaries = done(matrix, tmp_path, [80.0], [])
    text = to_markdown(matrix, summaries)
    assert '| none | plain | 1,234,567 | 80.00 |  | 1 | 12 |' in text and 'SE' not in text
    assert as_data(matrix, summaries)['configs'].keys() == {'plain.py'}
    assert summarise(matrix, matrix.runs(range(3), tmp_path / 'empty')) == {}


def test_runs_that_were_interrupted_do_not_count_in_the_time(matrix, tmp_path):
    runs = matrix.runs(range(2), tmp_path)
    for run, seconds in zip(runs, (10.0, None, 30.0, None), strict=True):
        finish(run, 50.0, seconds=seconds)
    plain, se = summarise(matrix, runs).values()
    assert plain.seconds == 20.0 and se.seconds is None


def test_a_metric_that_was_not_logged_is_refused_with_those_that_were(configs, tmp_path):
    (configs / 'matrix.toml').write_text((configs / 'matrix.toml').read_text().replace('top1', 'top2'))
    with pytest.raises(ValueError, match="'accuracy/top2' is not among what the runs logged: accuracy/top1, acc"):
        done(read_matrix([configs / 'matrix.toml']), tmp_path, [80.0], [81.0])


def test_the_picture_has_a_panel_for_each_table(matrix, tmp_path):
    file = plot(matrix, done(matrix, tmp_path, [80.0, 82.0], [85.0, 86.0]), tmp_path / 'm.png')
    with Image.open(file) as image:
        assert image.width > 1.5 * image.height  # two panels side by side


def test_plain_data_gives_the_same_tables(matrix, configs, tmp_path):
    summaries = done(matrix, tmp_path, [80.0, 82.0], [85.0, 86.5])
    again = from_data(json.loads(json.dumps(as_data(matrix, summaries))), configs)
    assert again == (matrix, summaries)
